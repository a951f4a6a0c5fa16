//! Helm, built from the module proxy's zip.

use crate::interop::go::GoModule;
use crate::interop::{fetch, kept, run};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MODULE: &str = "helm.sh/helm/v3";
const VERSION: &str = "v3.22.0";
/// As the checksum database has it.
const SUM: &str = "h1:n1if5iQgHYsujPAcO5oonH/KiSNUmqmUF0iGVjSF3AU=";

const PROGRAM: GoModule = GoModule { name: "Helm", path: MODULE, version: VERSION, sum: SUM };
/// The cluster's version, as far as charts see it. Unless set by the linker it is 1.20.
const CLUSTER: &str = "34";

pub struct Helm {
    program: PathBuf,
    home: tempfile::TempDir,
}

/// How Helm ended: all that it wrote.
pub type Outcome = Result<String, String>;

impl Helm {
    /// Built once and kept. The error names the missing part.
    pub fn get() -> Result<Helm, String> {
        let made = kept("helm", (MODULE, VERSION, SUM, CLUSTER), |making| {
            let source = PROGRAM.downloaded(making)?;
            // its own go.sum pins everything else
            let flags = format!(
                "-s -w -X {MODULE}/pkg/chartutil.k8sVersionMajor=1 -X {MODULE}/pkg/chartutil.k8sVersionMinor={CLUSTER}"
            );
            let mut build = Command::new("go");
            build.args(["build", "-mod=readonly", "-trimpath", "-ldflags", &flags, "-o"]);
            build.arg(making.join("helm")).arg("./cmd/helm");
            build.current_dir(source);
            fetch("Helm's modules", &mut build).map(drop)
        });
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        Ok(Helm { program: made?.join("helm"), home })
    }

    /// Runs a command on the chart with these values.
    pub fn run(&self, arguments: &[&str], values: &str) -> Outcome {
        self.run_on(&chart(), arguments, values)
    }

    fn run_on(&self, chart: &Path, arguments: &[&str], values: &str) -> Outcome {
        let file = self.home.path().join("values.yaml");
        fs::write(&file, values).map_err(|error| error.to_string())?;
        let mut command = Command::new(&self.program);
        command.args(arguments).arg(chart).arg("--values").arg(file);
        // no configuration and no cluster of the user's
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "KUBECONFIG"] {
            command.env(name, self.home.path().join(name));
        }
        run(&mut command)
    }

    /// The rendered objects as YAML, those of `helm test` included.
    pub fn template(&self, values: &str) -> Outcome {
        self.run(&["template", "gate"], values)
    }

    /// The notes after an installation. Helm renders them with a cluster only, so they become an
    /// object of a copy of the chart.
    pub fn notes(&self, values: &str) -> Outcome {
        let copy = self.home.path().join("copy");
        let _ = fs::remove_dir_all(&copy);
        run(Command::new("cp").arg("-r").arg(chart()).arg(&copy))?;
        let notes = copy.join("templates/NOTES.txt");
        let text = fs::read_to_string(&notes).map_err(|error| error.to_string())?;
        let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: notes }\n\
            data: { notes: {{ include \"notes\" . | quote }} }\n";
        let template = format!("{{{{ define \"notes\" }}}}{text}{{{{ end }}}}\n{object}");
        let write = |name: &str, text: &str| {
            fs::write(copy.join("templates").join(name), text).map_err(|error| error.to_string())
        };
        write("notes.yaml", &template)?;
        let rendered = self.run_on(
            &copy,
            &["template", "gate", "--show-only", "templates/notes.yaml"],
            values,
        )?;
        let object: Value = serde_yaml::from_str(&rendered).map_err(|error| error.to_string())?;
        Ok(object["data"]["notes"].as_str().unwrap_or_default().to_owned())
    }
}

pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/helm/introgate")
}
