//! Sources that nest without end, in whatever way: refused, or taken without the stack of any thread running out, which
//! no one could catch.

use std::path::Path;

use arbitrary::{Result, Unstructured};
use bylaw::bundle::{Language, link_inline, module_state, scan};

/// What one level of nesting may begin with, go on with and end with.
const PARTS: [&str; 72] = [
    "",
    "\n",
    " ",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "a",
    "1",
    "a=>",
    "a:",
    "()=>{",
    "f(",
    "`${",
    "}`",
    "`",
    "'",
    "\"",
    "/",
    "/'/",
    "/`/",
    "/[/",
    "//\n",
    "/*",
    "*/",
    "<!--",
    "!",
    "-",
    "- ",
    "++",
    "--",
    "+",
    "+1",
    "\n+1",
    ".b",
    "?.b",
    "?b:c",
    ",",
    ";",
    "...",
    "=",
    "=>",
    "in",
    " in a",
    "\nin a",
    " instanceof a",
    " as any",
    "<T>",
    "<",
    ">",
    "|A",
    "&A",
    "[]",
    "?",
    ":",
    "typeof ",
    "new\n",
    "new ",
    "await\n",
    "void\n",
    "if(a)\n",
    "if(a)b\nelse\n",
    "else ",
    "while(a)\n",
    "for(;;)\n",
    "class extends ",
    "function*f(){yield\n",
    "keyof\n",
    "do\n",
    "@a ",
];

pub fn check(data: &[u8]) {
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured) -> Result<()> {
    let before = parts(u)?;
    let (open, middle, close) = (parts(u)?, parts(u)?, parts(u)?);
    let after = parts(u)?;
    let levels = *u.choose(&[100, 1_000, 3_000, 20_000, 100_000])?;
    let longest = (256 << 10) / (open.len() + close.len()).max(1);
    let levels = levels.min(longest);
    let text = format!("{before}{}{middle}{}{after}", open.repeat(levels), close.repeat(levels));
    for name in ["p.ts", "p.cjs"] {
        drop(scan(name, Path::new(name), &text));
    }
    for language in [Language::TypeScript, Language::JavaScript] {
        if let Ok(linked) = link_inline("p", &text, language) {
            drop(module_state(&linked));
        }
    }
    Ok(())
}

fn parts(u: &mut Unstructured) -> Result<String> {
    (0..u.int_in_range(0..=3_u8)?).map(|_| Ok(*u.choose(&PARTS)?)).collect()
}
