//! TypeScript of the SDK as what npm packages hold: JavaScript, and declarations.

use std::path::Path;

use oxc::allocator::Allocator;
use oxc::codegen::{Codegen, CodegenOptions, IndentChar};
use oxc::isolated_declarations::{IsolatedDeclarations, IsolatedDeclarationsOptions};
use oxc::parser::Parser;
use oxc::semantic::SemanticBuilder;
use oxc::span::SourceType;
use oxc::transformer::{RewriteExtensionsMode, TransformOptions, Transformer, TypeScriptOptions};

/// The module without its types.
pub(super) fn javascript(name: &str, text: &str) -> Result<String, String> {
    let allocator = Allocator::default();
    let mut program = Parser::new(&allocator, text, SourceType::ts()).parse().program;
    let scoping = SemanticBuilder::new().build(&program).semantic.into_scoping();
    let typescript = TypeScriptOptions {
        only_remove_type_imports: true,
        rewrite_import_extensions: Some(RewriteExtensionsMode::Rewrite),
        ..TypeScriptOptions::default()
    };
    let options = TransformOptions { typescript, ..TransformOptions::default() };
    let transformed = Transformer::new(&allocator, Path::new(name), &options).build_with_scoping(scoping, &mut program);
    if let Some(error) = transformed.diagnostics.errors().next() {
        return Err(error.to_string());
    }
    Ok(Codegen::new().with_options(layout()).build(&program).code)
}

/// What other modules may know of it.
pub(super) fn declarations(text: &str) -> Result<String, String> {
    let allocator = Allocator::default();
    let program = Parser::new(&allocator, text, SourceType::ts()).parse().program;
    let made = IsolatedDeclarations::new(&allocator, IsolatedDeclarationsOptions::default()).build(&program);
    if let Some(error) = made.diagnostics.errors().next() {
        return Err(error.to_string());
    }
    Ok(with_emitted_names(&Codegen::new().with_options(layout()).build(&made.program).code))
}

/// Modules name one another by the files that are there once they are emitted.
pub(super) fn with_emitted_names(text: &str) -> String {
    let lines =
        text.lines().map(|line| match line.rsplit_once(" from \"./").or_else(|| line.rsplit_once(" from \"../")) {
            Some((_, name)) if name.ends_with(".ts\";") => line.replace(".ts\";", ".js\";"),
            _ => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn layout() -> CodegenOptions {
    CodegenOptions { indent_char: IndentChar::Space, indent_width: 2, ..CodegenOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "import { a } from \"./a.ts\";\nimport type { B } from \"../b/v1.ts\";\n/** Adds. */\nexport function add(one: number): number { return one + (a as number); }\nexport class C { readonly #x: number = 1; get x(): number { return this.#x; } }\nexport type { B };\n";

    #[test]
    fn types_are_taken_out_of_a_module() {
        let made = javascript("x.ts", SOURCE).unwrap();
        assert!(
            made.contains("from \"./a.js\"") && !made.contains("number") && !made.contains("import type"),
            "{made}"
        );
    }

    #[test]
    fn nothing_but_types_is_left_of_declarations() {
        let made = declarations(SOURCE).unwrap();
        assert!(made.contains("export declare function add(one: number): number;"), "{made}");
        assert!(
            made.contains("/** Adds. */") && made.contains("from \"../b/v1.js\"") && !made.contains("return"),
            "{made}"
        );
    }
}
