//! The text format from before OpenMetrics, for those who ask for it. Samples are the same in both;
//! what is said about them differs for counters and for what never changes.

use std::collections::HashMap;

/// The same figures in the older format (version 0.0.4).
pub(super) fn classic(text: &str) -> String {
    let kind = |line: &'_ str| line.strip_prefix("# TYPE ")?.split_once(' ').map(owned);
    let kinds: HashMap<String, String> = text.lines().filter_map(kind).collect();
    let lines = text
        .lines()
        .filter_map(|line| match line.strip_prefix("# ") {
            None => Some(line.to_owned()),
            Some(about) => metadata(about, &kinds),
        });
    lines.map(|line| line + "\n").collect()
}

/// A line about a family, which is named as its samples are here; there are no units and no end.
fn metadata(about: &str, kinds: &HashMap<String, String>) -> Option<String> {
    let (what @ ("HELP" | "TYPE"), rest) = about.split_once(' ')? else {
        return None;
    };
    let (name, said) = rest.split_once(' ')?;
    let (suffix, kind) = match kinds.get(name)?.as_str() {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        kind => ("", kind),
    };
    let said = if what == "TYPE" { kind } else { said };
    Some(format!("# {what} {name}{suffix} {said}"))
}

fn owned((name, kind): (&str, &str)) -> (String, String) {
    (name.to_owned(), kind.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_what_is_said_about_figures_differs() {
        let text = "# HELP a A.\n# TYPE a counter\n# UNIT a s\na_total{x=\"# EOF\"} 1\n\
                    # HELP b B.\n# TYPE b info\nb_info{y=\"\"} 1\n\
                    # HELP c C.\n# TYPE c gauge\nc -1\n# EOF\n";
        let expected = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"# EOF\"} 1\n\
                        # HELP b_info B.\n# TYPE b_info gauge\nb_info{y=\"\"} 1\n\
                        # HELP c C.\n# TYPE c gauge\nc -1\n";
        assert_eq!(super::classic(text), expected);
    }
}
