//! Holds the map of modules in `lib.rs` against the imports.

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
