//! The bounded run: all seeds of a target, then a fixed number of mutations of them, the same ones each time.

use std::path::{Path, PathBuf};

/// Mutations are this long at most.
const LONGEST: usize = 16 << 10;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files of one target, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("seeds").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} is empty", folder.display());
    seeds
}

/// The words of libFuzzer's dictionary for a target, if it has one: lines `"word"` with `\xHH`, `\\` and `\"`.
fn dictionary(target: &str) -> Vec<Vec<u8>> {
    let path = root().join("dictionaries").join(format!("{target}.dict"));
    std::fs::read_to_string(path).unwrap_or_default().lines().filter_map(word).collect()
}

fn word(line: &str) -> Option<Vec<u8>> {
    let mut rest = line.trim().strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut word = Vec::new();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, rest) {
            (b'\\', [b'x', high, low, tail @ ..]) => {
                word.push(u8::from_str_radix(std::str::from_utf8(&[*high, *low]).ok()?, 16).ok()?);
                rest = tail;
            }
            (b'\\', [escaped, tail @ ..]) => {
                word.push(*escaped);
                rest = tail;
            }
            _ => word.push(*first),
        }
    }
    Some(word)
}

/// Runs `check` on every seed and on `mutations` of them. Where it panics, the input is named and kept.
pub fn drive(target: &str, mutations: usize, check: fn(&[u8])) {
    let seeds = seeds(target);
    for (name, seed) in &seeds {
        watched(target, &format!("seed {name}"), seed, check);
    }
    let words = dictionary(target);
    let mut random = Random(0x5eed);
    for number in 0..mutations {
        let mut input = seeds[random.below(seeds.len())].1.clone();
        for _ in 0..=random.below(6) {
            mutate(&mut input, &seeds, &words, &mut random);
        }
        input.truncate(LONGEST);
        watched(target, &format!("mutation {number}"), &input, check);
    }
}

fn watched(target: &str, what: &str, input: &[u8], check: fn(&[u8])) {
    let result = std::panic::catch_unwind(|| check(input));
    if let Err(panic) = result {
        let kept = std::env::temp_dir().join(format!("bylaw-fuzz-{target}-{}", std::process::id()));
        std::fs::write(&kept, input).unwrap();
        eprintln!("{target}, {what}: the input is kept in {}", show(&kept));
        std::panic::resume_unwind(panic);
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

fn mutate(input: &mut Vec<u8>, seeds: &[(String, Vec<u8>)], words: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let length = random.below(32).min(input.len() - at);
    match random.below(8) {
        0 => input.insert(at, random.byte()),
        1 => drop(input.drain(at..at + length)),
        2 if at < input.len() => input[at] ^= 1 << random.below(8),
        3 if at < input.len() => input[at] = random.byte(),
        4 => {
            let copied = input[at..at + length].to_vec();
            let to = random.below(input.len() + 1);
            for _ in 0..=random.below(8) {
                insert(input, to, &copied);
            }
        }
        5 => {
            let other = &seeds[random.below(seeds.len())].1;
            let from = random.below(other.len() + 1);
            let length = random.below(200).min(other.len() - from);
            insert(input, at, &other[from..from + length]);
        }
        _ if !words.is_empty() => insert(input, at, &words[random.below(words.len())]),
        _ => input.insert(at, random.byte()),
    }
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    if input.len() + part.len() <= LONGEST {
        input.splice(at..at, part.iter().copied());
    }
}

/// `SplitMix64`: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

macro_rules! targets {
    ($($target:ident: $mutations:expr;)*) => {
        $(#[test]
        fn $target() {
            drive(stringify!($target), $mutations, crate::$target::check);
        })*

        #[test]
        fn every_target_has_its_seeds_and_every_seed_a_target() {
            let entries = std::fs::read_dir(root().join("seeds")).unwrap();
            let mut folders: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
            folders.sort();
            let mut targets = vec![$(stringify!($target)),*];
            targets.sort_unstable();
            assert_eq!(folders, targets);
        }
    };
}

targets! {
    bundle: 3_000;
    conditions: 2_000;
    frame: 20_000;
    loader: 150;
    module: 200;
    numbers: 4_000;
    patch: 4_000;
    review: 10_000;
    selector: 10_000;
    towers: 60;
}
