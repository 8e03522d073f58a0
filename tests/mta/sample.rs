//! The blocks of `docs/mta.md`.

const PAGE: &str = include_str!("../../docs/mta.md");

/// The block with this title, with every pair of texts replaced; each must be in it.
pub fn block(title: &str, replace: &[(&str, &str)]) -> String {
    let start = format!("\n```{title}\n");
    let (_, rest) = PAGE
        .split_once(&start)
        .unwrap_or_else(|| panic!("docs/mta.md has no block {title}"));
    let (block, _) = rest.split_once("```").expect("it ends");
    let mut block = block.to_owned();
    for (written, here) in replace {
        assert!(block.contains(written), "{title}: no {written} in\n{block}");
        block = block.replace(written, here);
    }
    block
}
