//! A kind of authorization server is known in its own files alone.

use std::fs;
use std::path::Path;

/// The files that may name a kind, beside tests: its own three, and the lists of kinds' modules.
const LISTS: [&str; 3] = [
    "src/introspect/kinds/mod.rs",
    "src/config/raw/kinds/mod.rs",
    "src/config/compile/kinds/mod.rs",
];

#[test]
fn only_a_kinds_own_files_and_the_lists_of_kinds_name_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    collect(&root.join("src"), &mut sources);
    // kinds whose names are not those of a standard or of a company's service named elsewhere
    for word in ["amazon", "soap", "github"] {
        for (path, text) in &sources {
            let path = path.strip_prefix(root.to_str().unwrap_or_default()).unwrap_or(path);
            let path = path.trim_start_matches('/');
            let own = path.ends_with(&format!("kinds/{word}.rs"));
            let names_it = code(text).to_lowercase().contains(word);
            assert!(own || LISTS.contains(&path) || !names_it, "{path} names the kind `{word}`");
        }
    }
}

/// Without comments, texts of messages and tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .map(|line| line.split('"').step_by(2).collect::<String>())
        .collect::<Vec<_>>()
        .join("\n")
}

fn collect(folder: &Path, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            collect(&path, sources);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            sources.push((path.to_string_lossy().into_owned(), text));
        }
    }
}
