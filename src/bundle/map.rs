//! From a place in a script back to the place its author wrote.

use rolldown_sourcemap::{OwnedSourceMap, SourceMapBuilder};

use super::diagnostics::Place;

/// The original place of a line (from 1) and column (from 0, in UTF-16 units), as V8 counts in a message, of a script;
/// and the text of that file where the map holds it. `None` for code that the linker added.
#[must_use]
pub fn locate(source_map: &str, line: u32, column: u32) -> Option<(Place, Option<String>)> {
    let map = OwnedSourceMap::from_json_string(source_map).ok()?;
    let table = map.generate_lookup_table();
    let token = map.lookup_token(&table, line.checked_sub(1)?, column)?;
    let source = token.get_source_id()?;
    let file = map.get_source(source)?.to_owned();
    // A line that was taken over whole has one mark, at its start.
    let into_the_line = if token.get_dst_col() == 0 { column } else { 0 };
    let place = Place { file, line: token.get_src_line() + 1, column: token.get_src_col() + into_the_line + 1 };
    let text = map.get_source_content(source).filter(|text| !text.is_empty());
    Some((place, text.map(str::to_owned)))
}

/// A place of a script from which on it comes from a place of its author. Both count from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
    /// File and line; `None` for what the linker added.
    pub source: Option<(String, u32)>,
}

/// All marks of a map, in the order of the script.
#[must_use]
pub fn marks(source_map: &str) -> Option<Vec<Mark>> {
    let map = OwnedSourceMap::from_json_string(source_map).ok()?;
    let mut marks = Vec::new();
    for token in map.get_tokens() {
        let file = token.get_source_id().and_then(|source| map.get_source(source));
        let source = file.map(|file| (file.to_owned(), token.get_src_line()));
        marks.push(Mark { line: token.get_dst_line(), column: token.get_dst_col(), source });
    }
    Some(marks)
}

/// A map for a script that stands inside another file, such as a YAML manifest: line for line, each at a line and
/// column (from 1) of that file. `places[n]` is where line `n + 1 + skipped` of the script begins. The file's text is
/// not in the map: a manifest may hold a thousand scripts.
#[must_use]
pub fn line_map(file: &str, skipped: u32, places: &[(u32, u32)]) -> String {
    let mut builder = SourceMapBuilder::default();
    let source = builder.add_source_and_content(file, "");
    for (index, (line, column)) in (skipped..).zip(places) {
        builder.add_token(index, 0, line.saturating_sub(1), column.saturating_sub(1), Some(source), None);
    }
    builder.into_sourcemap().to_json_string()
}

/// A map onto inline source, led on to the file that the source stands in; `places` and the text as in [`line_map`].
#[must_use]
pub fn relocate(source_map: &str, file: &str, places: &[(u32, u32)]) -> Option<String> {
    let map = OwnedSourceMap::from_json_string(source_map).ok()?;
    let mut builder = SourceMapBuilder::default();
    let source = builder.add_source_and_content(file, "");
    for token in map.get_tokens().filter(|token| token.get_source_id().is_some()) {
        let Some((line, column)) = place_in(places, token.get_src_line(), token.get_src_col()) else { continue };
        builder.add_token(token.get_dst_line(), token.get_dst_col(), line - 1, column - 1, Some(source), None);
    }
    Some(builder.into_sourcemap().to_json_string())
}

/// The names of the sources of a map; none where it is no map.
#[must_use]
pub fn map_sources(source_map: &str) -> Vec<String> {
    let map = OwnedSourceMap::from_json_string(source_map);
    map.map(|map| map.get_sources().map(ToString::to_string).collect()).unwrap_or_default()
}

/// Name and text of each source that a map holds.
#[must_use]
pub fn map_texts(source_map: &str) -> Vec<(String, String)> {
    let Ok(map) = OwnedSourceMap::from_json_string(source_map) else { return Vec::new() };
    let texts = map.get_sources().zip(map.get_source_contents());
    texts
        .filter_map(|(name, text)| Some((name.to_string(), text.filter(|text| !text.is_empty())?.to_string())))
        .collect()
}

/// The same map with other names for its sources.
#[must_use]
pub fn rename_sources(source_map: &str, rename: impl Fn(&str) -> String) -> Option<String> {
    let mut map = OwnedSourceMap::from_json_string(source_map).ok()?;
    let names: Vec<String> = map.get_sources().map(rename).collect();
    map.set_sources(names.iter().map(String::as_str));
    Some(map.to_json_string())
}

/// Where line and column (from 0) of inline source are in its file (from 1).
#[must_use]
pub fn place_in(places: &[(u32, u32)], line: u32, column: u32) -> Option<(u32, u32)> {
    let (file_line, file_column) = places.get(line as usize)?;
    Some((*file_line, file_column + column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_an_inline_script_is_found_in_its_manifest() {
        let map = line_map("p.yaml", 1, &[(3, 5), (4, 5)]);
        let (place, text) = locate(&map, 2, 0).unwrap();
        assert_eq!(place.to_string(), "p.yaml:3:5");
        assert_eq!(text, None);
        assert_eq!(locate(&map, 3, 2).unwrap().0.to_string(), "p.yaml:4:7");
        assert_eq!(locate(&map, 1, 0), None);
        assert_eq!(locate(&map, 99, 0), None);
        assert_eq!(locate("not json", 1, 0), None);
    }
}
