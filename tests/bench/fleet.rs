//! Many policies: a few that match, and as many as wanted that have nothing to say to a pod.

use std::fmt::Write as _;
use std::path::Path;

use crate::policies;

/// Policies in one file, as its default export's array.
const A_FILE: usize = 50;

/// Kinds that the others are about.
const KINDS: usize = 50;

/// Writes `loaded` policies, of which the first `matching` match the pod.
pub fn write(dir: &Path, loaded: usize, matching: usize) -> std::io::Result<()> {
    policies::write(dir, matching)?;
    let others: Vec<usize> = (matching..loaded).collect();
    for (at, chunk) in others.chunks(A_FILE).enumerate() {
        let mut source = "import { policy } from \"@bylaw/sdk\";\nexport default [\n".to_owned();
        for number in chunk {
            let kind = number % KINDS;
            let _ = writeln!(
                source,
                "  policy({{ name: \"other-{number}.bench.bylaw.dev\", match: {{ resources: [\"kinds{kind}\"], operations: [\"CREATE\"] }},\n    \
                 validate({{ object, deny }}: any) {{ if (object.spec?.size > {number}) deny(\"too large\", {{ field: \"spec.size\" }}); }} }}),"
            );
        }
        source.push_str("];\n");
        std::fs::write(dir.join(format!("others-{at}.ts")), source)?;
    }
    Ok(())
}
