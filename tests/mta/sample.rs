//! The blocks of the pages that have settings for MTAs.

const MTA: (&str, &str) = ("docs/mta.md", include_str!("../../docs/mta.md"));
const SCALE: (&str, &str) = ("docs/scale.md", include_str!("../../docs/scale.md"));

/// The block of `docs/mta.md` with this title, with every pair of texts replaced; each must be in it.
pub fn block(title: &str, replace: &[(&str, &str)]) -> String {
    cut(MTA, title, replace)
}

/// The same, of `docs/scale.md`.
pub fn scale(title: &str, replace: &[(&str, &str)]) -> String {
    cut(SCALE, title, replace)
}

fn cut((name, page): (&str, &str), title: &str, replace: &[(&str, &str)]) -> String {
    let start = format!("\n```{title}\n");
    let (_, rest) = page
        .split_once(&start)
        .unwrap_or_else(|| panic!("{name} has no block {title}"));
    let (block, _) = rest.split_once("```").expect("it ends");
    let mut block = block.to_owned();
    for (written, here) in replace {
        assert!(block.contains(written), "{title}: no {written} in\n{block}");
        block = block.replace(written, here);
    }
    block
}
