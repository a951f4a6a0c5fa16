//! The service behind the gateway: `legacy_service.py`, Python's `http.server` over a folder.

use super::parts::{Process, source};
use crate::support::wait_until;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// The content of the folder's only file, `/items.txt`.
pub const ITEMS: &str = "one item\nanother item\n";

pub struct LegacyService {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl LegacyService {
    #[track_caller]
    pub fn start() -> LegacyService {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let served = directory.path().join("served");
        fs::create_dir(&served).expect("the folder to serve");
        fs::write(served.join("items.txt"), ITEMS).expect("a file to serve");

        let mut command = Command::new("python3");
        command.arg(source("legacy_service.py")).arg(&served);
        let log = directory.path().join("log");
        let mut process = Process::start(&mut command, &log);
        let mut port = None;
        wait_until("the service prints its address", || {
            let said = fs::read_to_string(&log).expect("its log");
            assert!(process.ended().is_none(), "the service ended: {said}");
            let line = said.lines().next().filter(|_| said.contains('\n'));
            port = line.and_then(|line| line.rsplit_once(':')?.1.parse().ok());
            port.is_some()
        });
        LegacyService { port: port.expect("a port"), _process: process, _folder: directory }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
