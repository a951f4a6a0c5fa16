//! Traefik, built from the module proxy's zip.

use crate::interop::go::GoModule;
use crate::interop::kept;
use std::fs;
use std::path::{Path, PathBuf};

const MODULE: &str = "github.com/traefik/traefik/v3";
const VERSION: &str = "v3.7.13";
/// As `go.sum` has it.
const SUM: &str = "h1:T8wy9KuaFzCkmXCqAzDy7t73pBDR1DHrJe3pqXpNXTw=";

const PROGRAM: GoModule = GoModule { name: "Traefik", path: MODULE, version: VERSION, sum: SUM };

/// Replaced by a folder that the zip lacks, since a zip ends where another module begins. Its types
/// are empty.
const EXTENSIONS: &str = "pkg/config/dynamic/ext";

/// The only user of the DNS providers of ACME. Several of their modules are not in every proxy.
const ACME: &str = "pkg/provider/acme/provider.go";

/// Traefik's fork of a library for basic and digest authentication, which not every module proxy
/// has. In its place: functions that refuse everybody.
const LOGIN: &str = "github.com/abbot/go-http-auth";
const LOGIN_SOURCE: &str = r#"package auth

import "net/http"

type Secrets = func(user, realm string) string

type BasicAuth struct {
	Realm   string
	Secrets Secrets
}

func (*BasicAuth) RequireAuth(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }

func CheckSecret(_, _ string) bool { return false }

type DigestAuth struct{}

func NewDigestAuthenticator(_ string, _ Secrets) *DigestAuth { return &DigestAuth{} }

func (*DigestAuth) CheckAuth(*http.Request) (string, *string) { return "", nil }

func (*DigestAuth) RequireAuth(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }

func (*DigestAuth) RequireAuthStale(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }

func DigestAuthParams(string) map[string]string { return nil }
"#;

/// The program. ACME by DNS, and basic and digest authentication, are left out; everything else is
/// Traefik's own code.
pub fn program() -> Result<PathBuf, String> {
    let made = kept("traefik", (MODULE, VERSION, SUM), |making| {
        let source = PROGRAM.copied(making)?;
        complete(&source).map_err(|error| error.to_string())?;
        without_dns_providers(&source)?;
        let go = |arguments: &[&str]| PROGRAM.go(&source, arguments);
        go(&["mod", "edit", "-replace", &format!("{LOGIN}=./go-http-auth")])?;
        go(&["build", "-mod=mod", "-ldflags", "-s -w", "-o", "../traefik", "./cmd/traefik"])?;
        fs::remove_dir_all(&source).map_err(|error| error.to_string())
    });
    Ok(made?.join("traefik"))
}

fn complete(source: &Path) -> std::io::Result<()> {
    let folder = source.join(EXTENSIONS);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("go.mod"), "module github.com/traefik/traefik/dynamic/ext\n")?;
    fs::write(
        folder.join("ext.go"),
        "package ext\n\ntype HTTP struct{}\n\ntype Router struct{}\n",
    )?;
    let folder = source.join("go-http-auth");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("go.mod"), format!("module {LOGIN}\n"))?;
    fs::write(folder.join("auth.go"), LOGIN_SOURCE)?;
    // the web UI is embedded as it was built; the zip may have none
    let ui = source.join("webui/static");
    fs::create_dir_all(&ui)?;
    fs::write(ui.join("index.html"), "")
}

fn without_dns_providers(source: &Path) -> Result<(), String> {
    let file = source.join(ACME);
    let mut text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    for (old, new) in [
        ("\t\"github.com/go-acme/lego/v5/providers/dns\"\n", ""),
        (
            "provider, err = dns.NewDNSChallengeProviderByName(p.DNSChallenge.Provider)",
            "err = errors.New(\"this build has no DNS providers\")",
        ),
    ] {
        if !text.contains(old) {
            return Err(format!("{ACME} has changed: {old}"));
        }
        text = text.replace(old, new);
    }
    fs::write(file, text).map_err(|error| error.to_string())
}
