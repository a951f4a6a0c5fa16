//! The findings, printed as they come.

use std::fmt::Display;
use std::io::Write;

/// Counts problems while it prints.
pub struct DoctorReport<'o> {
    out: &'o mut dyn Write,
    pub problems: usize,
}

impl<'o> DoctorReport<'o> {
    pub fn new(out: &'o mut dyn Write) -> Self {
        Self { out, problems: 0 }
    }

    pub fn section(&mut self, title: &str) {
        self.line(format_args!("{title}"));
    }

    /// As it should be.
    pub fn good(&mut self, what: impl Display) {
        self.line(format_args!("  ok       {what}"));
    }

    /// Worth knowing; may be meant.
    pub fn note(&mut self, what: impl Display) {
        self.line(format_args!("  note     {what}"));
    }

    /// Requests will be refused, or let through, because of it.
    pub fn wrong(&mut self, what: impl Display) {
        self.problems += 1;
        self.line(format_args!("  problem  {what}"));
    }

    /// The last line, which counts the problems.
    pub fn end(&mut self) {
        match self.problems {
            0 => self.line(format_args!("no problem found")),
            1 => self.line(format_args!("1 problem")),
            many => self.line(format_args!("{many} problems")),
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // stdout was closed; there is nothing to report
        let _ = writeln!(self.out, "{line}");
        let _ = self.out.flush();
    }
}
