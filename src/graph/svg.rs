//! A graph as an SVG picture that needs nothing else: light and dark, legible without colour.

use std::fmt::Write;

use super::layout::{Layout, NODE_HEIGHT, NODE_WIDTH, Point};

/// What stands on a job's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Upper line.
    pub title: String,
    /// Lower line.
    pub subtitle: String,
}

/// Letters that fit on a card.
const LETTERS: usize = 22;

const STYLE: &str = "\
.card{fill:#fff;stroke:#8a94a6}.edge{fill:none;stroke:#8a94a6;stroke-width:1.2}.tip{fill:#8a94a6}\
text{font:12px system-ui,sans-serif;fill:#1d2433;text-anchor:middle}.sub{font-size:11px;fill:#5a6478}\
@media(prefers-color-scheme:dark){.card{fill:#1e2430;stroke:#69748a}.edge{stroke:#69748a}.tip{fill:#69748a}\
text{fill:#e8ecf4}.sub{fill:#a5afc2}}";

/// Draws a layout; the cards are those of the jobs, by their indices. A job without a card has an empty one.
pub fn svg(layout: &Layout, cards: &[Card]) -> String {
    let mut text = String::new();
    // writing into a text cannot fail
    write_all(&mut text, layout, cards).ok();
    text
}

fn write_all(text: &mut String, layout: &Layout, cards: &[Card]) -> std::fmt::Result {
    let (width, height) = (layout.width, layout.height);
    writeln!(
        text,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">"#
    )?;
    writeln!(text, "<style>{STYLE}</style>")?;
    writeln!(
        text,
        r#"<defs><marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto"><path class="tip" d="M0 0L6 3L0 6z"/></marker></defs>"#
    )?;
    for edge in &layout.edges {
        writeln!(text, r#"<path class="edge" marker-end="url(#tip)" d="{}"/>"#, path(&edge.points))?;
    }
    for (node, card) in layout.nodes.iter().zip(cards.iter().map(Some).chain(std::iter::repeat(None))) {
        let (left, top) = (node.x - NODE_WIDTH / 2.0, node.y - NODE_HEIGHT / 2.0);
        writeln!(
            text,
            r#"<rect class="card" x="{left}" y="{top}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="6"/>"#
        )?;
        if let Some(card) = card {
            writeln!(text, r#"<text x="{}" y="{}">{}</text>"#, node.x, node.y - 3.0, escaped(&card.title))?;
            writeln!(
                text,
                r#"<text class="sub" x="{}" y="{}">{}</text>"#,
                node.x,
                node.y + 13.0,
                escaped(&card.subtitle)
            )?;
        }
    }
    writeln!(text, "</svg>")
}

/// Level lines past cards, and curves from one column to the next.
fn path(points: &[Point]) -> String {
    let mut text = String::new();
    let Some(first) = points.first() else { return text };
    write!(text, "M{} {}", first.x, first.y).ok();
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        if from.y == to.y {
            write!(text, "H{}", to.x).ok();
        } else {
            let middle = f64::midpoint(from.x, to.x);
            write!(text, "C{middle} {} {middle} {} {} {}", from.y, to.y, to.x, to.y).ok();
        }
    }
    text
}

/// Shortened to what fits, and nothing in it is markup.
fn escaped(text: &str) -> String {
    let mut shown: String = text.chars().take(LETTERS).filter(|letter| !letter.is_control()).collect();
    if text.chars().nth(LETTERS).is_some() {
        shown.pop();
        shown.push('…');
    }
    shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::JobGraph;
    use crate::graph::layout::layout;

    #[test]
    fn a_picture_has_every_card_and_every_edge() {
        let graph = JobGraph::new(3, [(0, 1), (1, 2), (0, 2)]).expect("an acyclic graph");
        let card = |title: &str| Card { title: title.to_owned(), subtitle: "cleaning".to_owned() };
        let drawn = svg(&layout(&graph), &["1", "a <b> & \"c\"", "a name that is much too long for a card"].map(card));
        assert_eq!(drawn.matches("<rect class=\"card\"").count(), 3);
        assert_eq!(drawn.matches("<path class=\"edge\"").count(), 3);
        assert!(drawn.contains(">a &lt;b&gt; &amp; &quot;c&quot;<"), "{drawn}");
        assert!(drawn.contains(">a name that is much t…<"), "{drawn}");
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    }
}
