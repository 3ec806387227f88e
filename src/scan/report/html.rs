//! The report as one page that needs nothing else: no network, no script from elsewhere, no trust in what it shows.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{Report, Tally};
use crate::scan::{Finding, Outcome};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

/// The whole page. Without its script it is a plain table; the script only hides rows.
#[must_use]
pub fn html(report: &Report) -> String {
    let mut page = String::with_capacity(report.findings.len() * 512 + 16_384);
    // Writing to a text never fails.
    let _ = write(&mut page, report);
    page
}

fn write(page: &mut String, report: &Report) -> fmt::Result {
    // Whatever an escape might miss, the browser runs and loads nothing but what is hashed here.
    let policy = format!("default-src 'none'; style-src {}; script-src {}", hash(STYLE), hash(SCRIPT));
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Bylaw scan</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Bylaw scan</h1>\n<p>{}</p>\n",
        Text(&policy),
        Text(&report.summary())
    )?;
    if !report.findings.is_empty() {
        filters(page, report)?;
        findings(page, report)?;
    }
    passed_over(page, report)?;
    policies(page, report)?;
    write!(page, "<script>{SCRIPT}</script>\n</body>\n</html>\n")
}

fn filters(page: &mut String, report: &Report) -> fmt::Result {
    let of = |key: &dyn Fn(&Finding) -> String| report.findings.iter().map(key).collect::<BTreeSet<String>>();
    let severities = of(&|finding| report.severity(finding).unwrap_or("none").to_owned());
    let severities = SEVERITIES.into_iter().chain(["none"]).filter(|severity| severities.contains(*severity));
    page.push_str("<form id=\"filters\">\n");
    select(page, "policy", "Policy", of(&|finding| finding.policy.to_string()).iter().map(String::as_str))?;
    select(page, "namespace", "Namespace", of(&|finding| namespace(finding).to_owned()).iter().map(String::as_str))?;
    select(page, "severity", "Severity", severities)?;
    let listed = report.findings.len();
    writeln!(page, "<output id=\"shown\">{listed} of {listed}</output>\n</form>")
}

fn select<'a>(page: &mut String, name: &str, label: &str, options: impl IntoIterator<Item = &'a str>) -> fmt::Result {
    write!(page, "<label>{label} <select name=\"{name}\"><option value=\"\">all</option>")?;
    for option in options {
        write!(page, "<option value=\"{0}\">{0}</option>", Text(option))?;
    }
    page.push_str("</select></label>\n");
    Ok(())
}

/// A namespace to choose by; objects without one are together.
fn namespace(finding: &Finding) -> &str {
    Some(&*finding.subject.namespace).filter(|namespace| !namespace.is_empty()).unwrap_or("(cluster)")
}

fn findings(page: &mut String, report: &Report) -> fmt::Result {
    page.push_str(
        "<table id=\"findings\">\n<thead><tr><th>Result<th>Severity<th>Object<th>Policy<th>Message<th>Place</tr></thead>\n<tbody>\n",
    );
    for finding in &report.findings {
        let severity = report.severity(finding).unwrap_or("none");
        let subject = &finding.subject;
        write!(
            page,
            "<tr data-policy=\"{policy}\" data-namespace=\"{namespace}\" data-severity=\"{severity}\">\
             <td class=\"{class}\">{result}<td class=\"{severity}\">{severity}<td>{kind} {name}<td>{policy}",
            policy = Text(&finding.policy),
            namespace = Text(namespace(finding)),
            class = class(finding.result),
            result = finding.result.as_str(),
            kind = Text(&subject.kind),
            name = Text(&subject.full_name()),
        )?;
        if let Some(category) = report.category(finding) {
            write!(page, "<small>{}</small>", Text(category))?;
        }
        write!(page, "<td>{}", Text(&finding.message))?;
        if let Some(field) = &finding.field {
            write!(page, "<code>{}</code>", Text(field))?;
        }
        if let Some(patch) = &finding.patch {
            write!(page, "<pre>{}</pre>", Text(&format!("{patch:#}")))?;
        }
        writeln!(page, "<td>{}</tr>", Text(&finding.place()))?;
    }
    page.push_str("</tbody>\n</table>\n");
    if report.counts.unlisted > 0 {
        writeln!(page, "<p>{} more findings are not listed.</p>", report.counts.unlisted)?;
    }
    Ok(())
}

fn passed_over(page: &mut String, report: &Report) -> fmt::Result {
    let unreadable = report.unreadable.iter().map(ToString::to_string);
    let skipped = report.skipped.iter().map(|skipped| format!("{}: {}", skipped.kind, skipped.cause));
    for (title, lines) in [
        ("Documents that could not be read", unreadable.collect::<Vec<_>>()),
        ("Kinds that could not be listed", skipped.collect()),
    ] {
        if lines.is_empty() {
            continue;
        }
        writeln!(page, "<h2>{title}</h2>\n<ul>")?;
        for line in lines {
            writeln!(page, "<li>{}</li>", Text(&line))?;
        }
        page.push_str("</ul>\n");
    }
    Ok(())
}

fn policies(page: &mut String, report: &Report) -> fmt::Result {
    page.push_str("<h2>Policies</h2>\n<table>\n<thead><tr><th>Policy<th>Category<th>Severity<th>Objects<th>Findings</tr></thead>\n<tbody>\n");
    for (name, tally) in &report.policies {
        let Tally { title, category, severity, objects, findings, .. } = tally;
        write!(page, "<tr><td>{}", Text(name))?;
        if let Some(title) = title {
            write!(page, "<small>{}</small>", Text(title))?;
        }
        let found: Vec<String> =
            findings.iter().map(|(result, count)| format!("{count} {}", result.as_str())).collect();
        writeln!(
            page,
            "<td>{}<td>{}<td>{objects}<td>{}</tr>",
            Text(category.as_deref().unwrap_or_default()),
            severity.unwrap_or_default(),
            found.join(", ")
        )?;
    }
    page.push_str("</tbody>\n</table>\n");
    Ok(())
}

const fn class(result: Outcome) -> &'static str {
    match result {
        Outcome::Denied | Outcome::Failed => "denied",
        Outcome::Warned | Outcome::WouldDeny => "warned",
        Outcome::WouldChange => "changes",
    }
}

/// A source for `Content-Security-Policy`.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// A text that is no markup, between tags or within quotes.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
