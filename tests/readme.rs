//! The README's tables are those of the code.

use crate::support::Setup;
use introgate::deny::Reason;

const README: &str = include_str!("../README.md");

#[test]
fn the_table_of_refusals_is_the_closed_set_of_reasons() {
    let rows: Vec<&str> = README
        .lines()
        .skip_while(|line| *line != "## Refusals")
        .filter(|line| line.starts_with("| `"))
        .take(Reason::ALL.len())
        .collect();
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
        assert!(README.contains(&format!("`{family}`")), "{family}");
    }
}
