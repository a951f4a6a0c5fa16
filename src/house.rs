//! Compares the code with its documentation: the map of modules in `lib.rs`, the recipes in
//! CONTRIBUTING.md, and plain English in messages.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Text of all files of a module, without its tests.
fn text(path: &Path) -> String {
    if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let outside_of_tests = |path: &PathBuf| !path.to_string_lossy().contains("tests");
        return entries
            .map(|entry| entry.path())
            .filter(outside_of_tests)
            .map(|path| text(&path))
            .collect();
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn a_module_imports_only_from_those_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let map = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("//! | [`"));
    let order: Vec<&str> = map
        .flat_map(|row| row.split(" |").next().unwrap_or_default().split('`'))
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !name.is_empty())
        .collect();
    let rank: HashMap<_, _> = order.iter().enumerate().map(|(rank, name)| (*name, rank)).collect();
    let modules = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("mod "));
    let modules: Vec<&str> = modules.map(|line| line.trim_end_matches(';')).collect();
    for module in modules.iter().filter(|module| **module != "house") {
        let own = *rank.get(module).unwrap_or_else(|| panic!("`{module}` is not in the map"));
        let text = text(&source.join(module)) + &text(&source.join(format!("{module}.rs")));
        for import in text.split("crate::").skip(1) {
            assert!(!import.starts_with('{'), "{module}: write one `use crate::…` a module");
            let name = import.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            let Some(name) = name.filter(|name| modules.contains(name)) else { continue };
            let above = rank.get(name).is_some_and(|rank| *rank <= own);
            assert!(above, "`{module}` imports from `{name}`, which is below it in lib.rs");
        }
    }
    assert_eq!(order.len() + 1, modules.len(), "{order:?}");
}

/// A type's name means one thing. The types of `config/raw` have the names of the settings that
/// are made from them, and are always written `raw::NAME`.
#[test]
fn a_type_has_a_name_of_its_own() {
    let mut names = HashMap::<String, usize>::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut waiting = vec![source];
    while let Some(path) = waiting.pop() {
        let shown = path.to_string_lossy();
        if path.is_dir() && !path.ends_with("config/raw") {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            waiting.extend(entries.map(|entry| entry.path()));
        } else if path.is_file() && !shown.contains("tests") {
            for line in text(&path).lines() {
                let line = line.trim_start_matches("pub ").trim_start_matches("pub(super) ");
                let kinds = ["struct ", "enum ", "trait "];
                let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else {
                    continue;
                };
                let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                *names.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    let twice: Vec<_> = names.iter().filter(|(_, count)| **count > 1).collect();
    assert!(names.len() > 300, "{} names", names.len());
    assert!(twice.is_empty(), "{twice:?}");
}

/// The files of a recipe in CONTRIBUTING.md, with a name for `NAME`.
fn recipe(title: &str, name: &str) -> Vec<String> {
    let contributing = include_str!("../CONTRIBUTING.md");
    let (_, recipe) = contributing
        .split_once(&format!("### To add {title}\n"))
        .unwrap_or_else(|| panic!("no recipe for {title}"));
    let steps = recipe.lines().take_while(|line| !line.starts_with('#'));
    let steps = steps.filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    let file = |step: &str| step.split('`').nth(1).map(|file| file.replace("NAME", name));
    let mut files: Vec<String> = steps.filter_map(file).collect();
    files.sort();
    files
}

/// The files whose code has one of these words.
fn files_with(words: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting = vec![root.join("src")];
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            waiting.extend(entries.map(|entry| entry.path()));
        } else if !path.to_string_lossy().contains("tests") && !path.ends_with("house.rs") {
            let text = text(&path);
            let mut all = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            if all.any(|word| words.contains(&word)) {
                let file = path.strip_prefix(root).unwrap_or(&path);
                found.push(file.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_recipes_name_the_files_that_a_change_touches() {
    let kind = recipe("a kind of authorization server", "amazon");
    assert_eq!(kind, files_with(&["amazon", "Amazon", "AmazonSettings"]));
    let check = recipe("a policy check", "authorization_details");
    assert_eq!(check, files_with(&["authorization_details"]));
    let reason = recipe("a reason", "");
    assert_eq!(reason, files_with(&["invalid_jwt"]));
    let architecture = include_str!("../docs/architecture.md");
    for title in [
        "a kind of authorization server",
        "a policy check",
        "a reason",
        "a route key",
        "a listener option",
    ] {
        let files = recipe(title, "amazon");
        let row = architecture.lines().find(|line| line.starts_with(&format!("| {title} |")));
        let now = row.and_then(|row| row.trim_end_matches(" |").rsplit(' ').next());
        assert_eq!(now, Some(&*files.len().to_string()), "{title}");
        for file in recipe(title, if title == "a policy check" { "scopes" } else { "amazon" }) {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).is_file(), "{title}: {file}");
        }
    }
}

/// Messages for users name their subject (CONTRIBUTING.md).
#[test]
fn messages_are_plain() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let own = text(&source.join("house.rs"));
    let text = text(&source).replace(&own, "");
    for line in text.lines() {
        let literals = line.split('"').skip(1).step_by(2);
        for word in
            literals.flat_map(|literal| literal.split(|c: char| !c.is_alphanumeric() && c != '_'))
        {
            let avoided = ["stands", "whoever", "Whoever", "nobody"].contains(&word);
            assert!(!avoided, "{line}");
        }
    }
}
