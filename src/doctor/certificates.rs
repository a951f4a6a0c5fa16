//! Certificates: the ones that have ended, or end soon.

use super::DoctorReport;
use crate::config::{NamedCertificate, Settings};
use crate::runtime::CarriedOver;

const DAY: i64 = 24 * 3600;

/// Certificates that are renewed automatically are younger than this.
const SOON: i64 = 21 * DAY;

pub fn examine(settings: &Settings, parts: &CarriedOver, report: &mut DoctorReport<'_>) {
    let mut certificates = settings.listener_certificates();
    certificates.extend(settings.outgoing_certificates());
    if certificates.is_empty() {
        return;
    }
    report.section("certificates");
    let now = parts.clock.now().unix_seconds();
    for certificate in &certificates {
        one(certificate, now, report);
    }
}

fn one(named: &NamedCertificate, now: i64, report: &mut DoctorReport<'_>) {
    let NamedCertificate { user, name, certificate, facts } = named;
    let subject = format!("{} {name}: {certificate}", user.word());
    let days = (facts.ends - now) / DAY;
    if facts.begins > now {
        return report
            .wrong(format_args!("{subject}: is not valid yet; is this machine's clock right?"));
    }
    if facts.ends <= now {
        return report.wrong(format_args!("{subject}: has expired; replace it by a valid one"));
    }
    if facts.chain_ends <= now {
        return report.wrong(format_args!(
            "{subject}: a further certificate in its file has expired; add the present one of its issuer"
        ));
    }
    let names = match facts.names.as_slice() {
        [] => String::new(),
        names => format!(" for {}", names.join(", ")),
    };
    if facts.chain_ends - now < SOON {
        let days = days.min((facts.chain_ends - now) / DAY);
        return report.note(format_args!("{subject}{names}: ends in {days} days; renew it"));
    }
    report.good(format_args!("{subject}{names}: ends in {days} days"));
}
