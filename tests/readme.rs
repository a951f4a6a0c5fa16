//! The tables in the documentation match the code.

use crate::support::Setup;
use introgate::parts::Reason;
use std::fs;
use std::path::Path;

const README: &str = include_str!("../README.md");
const REFUSALS: &str = include_str!("../docs/refusals.md");
const OPERATING: &str = include_str!("../docs/operating.md");

#[test]
fn the_table_of_refusals_is_the_closed_set_of_reasons() {
    let rows: Vec<&str> = REFUSALS.lines().filter(|line| line.starts_with("| `")).collect();
    for (reason, row) in Reason::ALL.iter().zip(&rows) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[1], format!("`{}`", reason.as_str()));
        assert_eq!(cells[2], reason.status().as_str(), "{row}");
        assert!(reason.oauth_error().is_none_or(|error| cells[3].contains(error)), "{row}");
    }
    assert_eq!(rows.len(), Reason::ALL.len());
}

#[test]
fn the_table_of_metrics_names_every_metric() {
    let setup = Setup::route("");
    setup.get("good");
    let metrics = setup.gateway.metrics();
    let families: Vec<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE introgate_")?.split(' ').next())
        .collect();
    assert!(families.len() > 15, "{metrics}");
    for family in families {
        assert!(OPERATING.contains(&format!("`{family}`")), "{family}");
    }
}

#[test]
fn the_readme_is_short_and_its_links_lead_somewhere() {
    assert!(README.len() <= 8 * 1024, "{} bytes", README.len());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    let docs = fs::read_dir(root.join("docs")).expect("docs");
    pages.extend(docs.map(|entry| entry.expect("an entry").path()));
    let summary = fs::read_to_string(root.join("docs/SUMMARY.md")).expect("SUMMARY.md");
    for page in pages.iter().filter(|page| page.extension().is_some_and(|kind| kind == "md")) {
        let text = fs::read_to_string(page).expect("UTF-8");
        let folder = page.parent().expect("a folder");
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { folder.join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !anchor.is_empty() {
                let text = fs::read_to_string(&target).expect("UTF-8");
                assert!(anchors(&text).any(|other| other == anchor), "{}: {link}", page.display());
            }
        }
        let name = page.file_name().expect("a name").to_string_lossy();
        let listed = page.parent() == Some(root) || name == "SUMMARY.md";
        assert!(listed || summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
    }
}

#[test]
fn the_security_model_names_tests_that_exist() {
    let page = include_str!("../docs/security-model.md");
    let (_, table) = page.split_once("## Known failures").expect("the list of failures");
    let sources = sources(&["src", "tests"]);
    let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #"));
    let mut tests = 0;
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().expect("a cell");
        for name in cell.split('`').skip(1).step_by(2) {
            assert!(sources.contains(&format!("fn {name}(")), "there is no test `{name}`: {row}");
            tests += 1;
        }
    }
    assert!(tests > 100, "{tests}");
}

/// The text of all Rust files below these folders.
fn sources(folders: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut text = String::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder");
            waiting.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            text += &fs::read_to_string(&path).expect("UTF-8");
        }
    }
    text
}

/// Where the links of a page lead, those to other sites left out.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// The anchors of a page's headings, as code hosts and mdbook make them.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    page.lines().filter(|line| line.starts_with('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect()
    })
}
