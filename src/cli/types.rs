//! `bylaw types`: TypeScript types of custom resources, and the SDK itself for a folder without a registry.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::Verdict;
use super::inputs::documents;
use super::output::{OutputFormat, print, say};
use crate::cluster::{Connection, connect};
use crate::types::{Written, definitions, from_cluster, modules, sdk_package, write_all};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bylaw types --crd certificates.yaml --out types\n  kubectl get crd -o yaml | bylaw types --crd -\n  \
                  bylaw types --kubeconfig ~/.kube/config\n\nA policy then imports its object's type:\n  import type { Certificate } from \
                  \"../types/cert-manager.io/v1.ts\";"
)]
pub(super) struct TypesArgs {
    /// `CustomResourceDefinition`s; `-` for standard input; may be given many times
    #[arg(long, value_name = "FILE", num_args = 1..)]
    crd: Vec<PathBuf>,
    /// Those of a running cluster
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The package `@bylaw/sdk` of this engine's version, for `"@bylaw/sdk": "file:.bylaw/sdk"` in a package.json
    #[arg(long)]
    sdk: bool,
    /// Where to write [default: types, and .bylaw/sdk for the SDK]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How to say what was written
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// What was made, as `-o json` tells it.
#[derive(Debug, Serialize)]
struct Made {
    kinds: Vec<String>,
    files: Vec<Written>,
}

pub(super) fn run(args: &TypesArgs) -> anyhow::Result<Verdict> {
    if args.crd.is_empty() && args.kubeconfig.is_none() && !args.sdk {
        bail!("nothing to make types of: give --crd FILE, --kubeconfig FILE or --sdk");
    }
    if args.sdk && !(args.crd.is_empty() && args.kubeconfig.is_none()) {
        bail!("--sdk makes a package of its own: give it alone");
    }
    let made = if args.sdk { args.sdk_files()? } else { args.resources()? };
    if args.output != OutputFormat::Text {
        print(args.output, &made)?;
        return Ok(Verdict::Yes);
    }
    let changed = made.files.iter().filter(|file| file.changed).count();
    let folder = args.folder();
    let what = if args.sdk { "@bylaw/sdk".to_owned() } else { made.kinds.join(", ") };
    say(&format!("{what}: {changed} of {} files written to {}\n", made.files.len(), folder.display()))?;
    Ok(Verdict::Yes)
}

impl TypesArgs {
    fn folder(&self) -> &Path {
        self.out.as_deref().unwrap_or_else(|| Path::new(if self.sdk { ".bylaw/sdk" } else { "types" }))
    }

    fn sdk_files(&self) -> anyhow::Result<Made> {
        Ok(Made { kinds: Vec::new(), files: write_all(self.folder(), &sdk_package()?)? })
    }

    fn resources(&self) -> anyhow::Result<Made> {
        let mut found = Vec::new();
        for path in &self.crd {
            let before = found.len();
            for document in documents(path)? {
                found.extend(definitions(&document, &path.display().to_string())?);
            }
            if found.len() == before {
                bail!("{}: there is no CustomResourceDefinition in it", path.display());
            }
        }
        if let Some(kubeconfig) = &self.kubeconfig {
            drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            found.extend(runtime.block_on(async {
                let client = connect(&Connection::Kubeconfig(kubeconfig.clone())).await?;
                anyhow::Ok(from_cluster(client).await?)
            })?);
            if found.is_empty() {
                bail!("the cluster has no CustomResourceDefinitions");
            }
        }
        let modules = modules(found)?;
        let names = |module: &crate::types::Module| {
            let of = format!("{}/{}", module.group, module.version);
            module.kinds.iter().map(|kind| format!("{of}/{kind}")).collect::<Vec<_>>()
        };
        let kinds = modules.iter().flat_map(names).collect();
        let files: Vec<(PathBuf, String)> = modules
            .into_iter()
            .map(|module| (Path::new(&module.group).join(format!("{}.ts", module.version)), module.text))
            .collect();
        Ok(Made { kinds, files: write_all(self.folder(), &files)? })
    }
}
