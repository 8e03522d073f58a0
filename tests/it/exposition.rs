//! A strict reader of OpenMetrics text (version 1.0.0 of the specification): what is not in its
//! grammar, or not in its order, is a panic.

use std::collections::{BTreeMap, BTreeSet};

/// All figures: by name and labels, as `name{label="value"}` with the labels in order.
#[derive(Debug)]
pub struct Exposition {
    samples: BTreeMap<String, f64>,
    /// Kind of each family.
    kinds: BTreeMap<String, String>,
}

/// The family whose lines are being read.
#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
    unit: Option<String>,
    has_help: bool,
    /// Buckets, by the other labels of the histogram.
    buckets: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Exposition {
    #[track_caller]
    pub fn read(text: &str) -> Self {
        let lines = text.strip_suffix("# EOF\n").expect("it ends in # EOF");
        let mut all = Self {
            samples: BTreeMap::new(),
            kinds: BTreeMap::new(),
        };
        let mut family = Family::default();
        for line in lines.split_terminator('\n') {
            assert!(!line.is_empty() && !line.contains('\r'), "{line:?}");
            if let Some(rest) = line.strip_prefix("# ") {
                family = all.metadata(family, rest);
            } else {
                all.sample(&mut family, line);
            }
        }
        all.finish(&family);
        all
    }

    /// The value of a figure.
    #[track_caller]
    pub fn value(&self, figure: &str) -> f64 {
        let value = self.samples.get(figure);
        *value.unwrap_or_else(|| panic!("no {figure} in {:#?}", self.samples))
    }

    /// The same, if it is there.
    pub fn find(&self, figure: &str) -> Option<f64> {
        self.samples.get(figure).copied()
    }

    /// Figures that begin so.
    pub fn like<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let all = self
            .samples
            .iter()
            .map(|(name, value)| (name.as_str(), *value));
        all.filter(move |(name, _)| name.starts_with(start))
    }

    /// The names of all families.
    pub fn families(&self) -> BTreeSet<&str> {
        self.kinds.keys().map(String::as_str).collect()
    }

    fn metadata(&mut self, mut family: Family, line: &str) -> Family {
        let (what, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, said) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        is_name(name);
        if family.name != name {
            self.finish(&family);
            family = Family {
                name: name.to_owned(),
                ..Family::default()
            };
        }
        let samples = format!("{name}{{");
        assert!(!self.has(name, &samples), "{name}: its lines are apart");
        match what {
            "HELP" => {
                assert!(!family.has_help && !said.contains('"'), "{line}");
                family.has_help = true;
            }
            "TYPE" => {
                let kinds = ["counter", "gauge", "histogram", "info"];
                assert!(kinds.contains(&said), "{line}");
                said.clone_into(&mut family.kind);
                let before = self.kinds.insert(name.to_owned(), said.to_owned());
                assert_eq!(before, None, "{name} is there twice");
            }
            "UNIT" => {
                assert!(name.ends_with(&format!("_{said}")), "{line}");
                family.unit = Some(said.to_owned());
            }
            _ => panic!("{line}"),
        }
        family
    }

    fn has(&self, name: &str, start: &str) -> bool {
        let suffixes = ["", "_total", "_info", "_count"];
        let names: Vec<String> = suffixes.iter().map(|it| format!("{name}{it}")).collect();
        let is_one = |sample: &String| names.contains(sample) || sample.starts_with(start);
        self.samples.keys().any(is_one)
    }

    fn sample(&mut self, family: &mut Family, line: &str) {
        let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
        let (name, rest) = line.split_at(end);
        is_name(name);
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest),
            None => (Vec::new(), rest),
        };
        let value = value.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
        let number: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let suffix = name.strip_prefix(&family.name);
        let suffix = suffix.unwrap_or_else(|| panic!("{line} is not in {family:?}"));
        match (&*family.kind, suffix) {
            ("counter", "_total") => assert!(number >= 0.0 && number.fract() == 0.0, "{line}"),
            ("gauge", "") | ("histogram", "_sum" | "_count") => {}
            ("info", "_info") => assert_eq!(value, "1", "{line}"),
            ("histogram", "_bucket") => family.bucket(&labels, number),
            _ => panic!("{line} is not in {family:?}"),
        }
        let mut sorted: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}={value:?}"))
            .collect();
        sorted.sort();
        let figure = match &*sorted.join(",") {
            "" => name.to_owned(),
            labels => format!("{name}{{{labels}}}"),
        };
        let before = self.samples.insert(figure, number);
        assert_eq!(before, None, "twice: {line}");
    }

    /// Whether what was read of a family is all of it, and holds together.
    fn finish(&self, family: &Family) {
        if family.name.is_empty() {
            return;
        }
        assert!(family.has_help && !family.kind.is_empty(), "{family:?}");
        for (labels, buckets) in &family.buckets {
            let bounds: Vec<f64> = buckets.iter().map(|(bound, _)| *bound).collect();
            assert!(bounds.is_sorted(), "{bounds:?}");
            assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{buckets:?}");
            let last = buckets.last().expect("there is one");
            let count = format!("{}_count{labels}", family.name);
            assert_eq!(*last, (f64::INFINITY, self.value(&count)), "{labels}");
        }
    }
}

impl Family {
    fn bucket(&mut self, labels: &[(String, String)], count: f64) {
        let (bounds, others): (Vec<_>, Vec<_>) =
            labels.iter().partition(|(label, _)| label == "le");
        let [(_, bound)] = bounds[..] else {
            panic!("{labels:?}");
        };
        let bound = match bound.as_str() {
            "+Inf" => f64::INFINITY,
            number => number.parse().expect("a number"),
        };
        let others: Vec<String> = others
            .iter()
            .map(|(label, value)| format!("{label}={value:?}"))
            .collect();
        let key = match &*others.join(",") {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        self.buckets.entry(key).or_default().push((bound, count));
    }
}

/// The labels, and what follows them.
fn labels(mut text: &str) -> (Vec<(String, String)>, &str) {
    let mut labels = Vec::new();
    loop {
        let (name, rest) = text.split_once("=\"").expect("a label");
        is_name(name);
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next().expect("the value ends") {
                (end, '"') => break end,
                (_, '\\') => match letters.next().expect("the value ends").1 {
                    'n' => value.push('\n'),
                    other @ ('"' | '\\') => value.push(other),
                    other => panic!("\\{other} in {text}"),
                },
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name.to_owned(), value));
        text = &rest[end + 1..];
        match text.strip_prefix(',') {
            Some(rest) => text = rest,
            None => return (labels, text.strip_prefix('}').expect("the labels end")),
        }
    }
}

#[track_caller]
fn is_name(name: &str) {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_sound =
        name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    assert!(is_sound, "{name}");
}
