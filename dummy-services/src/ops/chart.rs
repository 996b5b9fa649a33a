//! Pictures: HTML pages with one SVG inside and nothing from elsewhere, so that they open in a sandbox and without a
//! network.

use std::fmt::Write;

use crate::table::{Table, cell_of};

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chart {
    /// Its file name without ending.
    pub(crate) name: String,
    /// The page.
    pub(crate) html: String,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 56.0;
const COLOURS: [&str; 6] = ["#3366cc", "#dc3912", "#109618", "#ff9900", "#990099", "#0099c6"];

/// One bar for each name.
pub(crate) fn bars(name: &str, title: &str, bars: &[(String, f64)]) -> Chart {
    let highest = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let slot = (WIDTH - 2.0 * MARGIN) / bars.len().max(1) as f64;
    let mut svg = String::new();
    for (at, (label, value)) in bars.iter().enumerate() {
        let height = if highest > 0.0 { value / highest * (HEIGHT - 2.0 * MARGIN) } else { 0.0 };
        let (left, top) = (MARGIN + slot * at as f64, HEIGHT - MARGIN - height);
        let (width, colour) = (slot * 0.7, COLOURS[at % COLOURS.len()]);
        rectangle(&mut svg, left + slot * 0.15, top, width, height, colour);
        text(&mut svg, left + slot / 2.0, HEIGHT - MARGIN + 18.0, "middle", label);
        text(&mut svg, left + slot / 2.0, top - 6.0, "middle", &cell_of(*value));
    }
    page(name, title, &svg)
}

/// One dot for each point, coloured by group.
pub(crate) fn scatter(name: &str, title: &str, axes: [&str; 2], points: &[(f64, f64)], groups: &[String]) -> Chart {
    let mut names: Vec<&String> = groups.iter().collect();
    names.sort_unstable();
    names.dedup();
    let across = Scale::of(points.iter().map(|(x, _)| *x), MARGIN, WIDTH - MARGIN);
    let up = Scale::of(points.iter().map(|(_, y)| *y), HEIGHT - MARGIN, MARGIN);
    let mut svg = String::new();
    for ((x, y), group) in points.iter().zip(groups) {
        let colour = COLOURS[names.iter().position(|name| *name == group).unwrap_or(0) % COLOURS.len()];
        dot(&mut svg, across.place(*x), up.place(*y), colour);
    }
    for (at, name) in names.iter().enumerate() {
        let y = MARGIN + 16.0 * at as f64;
        dot(&mut svg, WIDTH - MARGIN + 8.0, y - 4.0, COLOURS[at % COLOURS.len()]);
        text(&mut svg, WIDTH - MARGIN + 16.0, y, "start", name);
    }
    text(
        &mut svg,
        WIDTH / 2.0,
        HEIGHT - 14.0,
        "middle",
        &format!("{} ({} to {})", axes[0], cell_of(across.least), cell_of(across.most)),
    );
    text(
        &mut svg,
        8.0,
        MARGIN - 14.0,
        "start",
        &format!("{} ({} to {})", axes[1], cell_of(up.least), cell_of(up.most)),
    );
    page(name, title, &svg)
}

/// How often values of the first measurement fall into ten ranges; without a measurement, the number of rows.
pub(crate) fn histogram(table: &Table) -> Chart {
    let Some(column) = table.measurements().first().copied() else {
        return bars("chart", "Rows", &[("rows".to_owned(), table.rows.len() as f64)]);
    };
    let numbers = table.numbers(column);
    let scale = Scale::of(numbers.iter().copied(), 0.0, 10.0);
    let mut counts = [0.0; 10];
    for number in &numbers {
        counts[(scale.place(*number) as usize).min(9)] += 1.0;
    }
    let step = (scale.most - scale.least) / 10.0;
    let labelled = counts.iter().enumerate().map(|(at, count)| (cell_of(scale.least + step * at as f64), *count));
    bars("chart", &format!("Distribution of {}", table.columns[column]), &labelled.collect::<Vec<_>>())
}

/// Places values between two edges.
struct Scale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        Self { least, most, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let range = self.most - self.least;
        let share = if range > 0.0 { (value - self.least) / range } else { 0.5 };
        self.from + share * (self.to - self.from)
    }
}

// Writing into a text cannot fail, which is why these three may drop the result.

fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, height: f64, colour: &str) {
    write!(svg, r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#).ok();
}

fn dot(svg: &mut String, x: f64, y: f64, colour: &str) {
    write!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}" fill-opacity="0.7"/>"#).ok();
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    write!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escaped(words)).ok();
}

fn page(name: &str, title: &str, svg: &str) -> Chart {
    let title = escaped(title);
    let style =
        "body{font:14px sans-serif;margin:1em;background:#fff;color:#222}svg{max-width:100%}text{font-size:12px}";
    let (left, bottom, right) = (MARGIN, HEIGHT - MARGIN, WIDTH - MARGIN);
    let axes = format!(r##"<path d="M{left} {left}V{bottom}H{right}" fill="none" stroke="#888"/>"##);
    let picture =
        format!(r#"<svg viewBox="0 0 {} {HEIGHT}" role="img" aria-label="{title}">{axes}{svg}</svg>"#, WIDTH + 60.0);
    let head = format!(r#"<meta charset="utf-8"><title>{title}</title><style>{style}</style>"#);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head>{head}</head>\n<body><h1>{title}</h1>\n{picture}\n</body></html>\n"
    );
    Chart { name: name.to_owned(), html }
}

/// Values come from data sets, which may hold anything.
fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_a_mark_for_each_value() {
        let chart = bars("x", "Title", &[("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]);
        assert_eq!(chart.html.matches("<rect").count(), 2);
        let chart = scatter("x", "Title", ["a", "b"], &[(1.0, 1.0), (2.0, 3.0)], &["g".to_owned(), "h".to_owned()]);
        assert_eq!(chart.html.matches("<circle").count(), 4);
    }

    #[test]
    fn words_of_a_data_set_are_no_markup() {
        let chart = bars("x", "<script>", &[("\"><b>".to_owned(), 0.0)]);
        assert!(!chart.html.contains("<script>") && !chart.html.contains("<b>"));
        assert!(!chart.html.contains("http"));
    }

    #[test]
    fn a_histogram_counts_every_number() {
        let chart = histogram(&Table::parse("x\n1\n2\n3\n").unwrap());
        assert_eq!(chart.html.matches("<rect").count(), 10);
        assert!(histogram(&Table::parse("x\na\n").unwrap()).html.contains("Rows"));
    }
}
