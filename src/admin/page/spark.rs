//! Small line charts of the last hour, as SVG.

use super::html::Html;

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 40.0;

/// Points of a line; a page has no room for more.
const POINTS: usize = 120;

/// A chart of values, oldest first; `None` leaves a gap. Where there are more values than points,
/// the highest of each group is drawn, so that no peak is lost. `capacity` is the number of values
/// that the chart has room for: fewer are drawn at its right edge.
pub fn line(html: &mut Html, label: &str, values: &[Option<f64>], capacity: usize) {
    let step = capacity.div_ceil(POINTS).max(1);
    let points: Vec<Option<f64>> = values
        .rchunks(step)
        .rev()
        .map(|group| group.iter().flatten().copied().reduce(f64::max))
        .collect();
    let highest = points.iter().flatten().copied().fold(0.0, f64::max);
    html.raw("<svg class=\"spark\" viewBox=\"0 0 240 40\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"");
    html.text(label).raw("\">");
    let places = capacity.div_ceil(step);
    let first = places.saturating_sub(points.len());
    let mut open = false;
    for (n, point) in points.iter().enumerate() {
        let Some(value) = point else {
            close(html, &mut open);
            continue;
        };
        let x = position(first + n, places.saturating_sub(1)) * WIDTH;
        let share = if highest > 0.0 { value / highest } else { 0.0 };
        // a line at the very edge would be half cut off
        let y = HEIGHT - 1.5 - share * (HEIGHT - 3.0);
        html.raw(if open { " " } else { "<polyline points=\"" });
        // one point alone is drawn as a short line
        if !open {
            html.number(x - 1.0, 1).raw(",").number(y, 1).raw(" ");
        }
        html.number(x, 1).raw(",").number(y, 1);
        open = true;
    }
    close(html, &mut open);
    html.raw("</svg>");
}

fn close(html: &mut Html, open: &mut bool) {
    if std::mem::take(open) {
        html.raw("\"/>");
    }
}

#[allow(clippy::cast_precision_loss)] // at most 120
fn position(n: usize, last: usize) -> f64 {
    n as f64 / last.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &[Option<f64>], capacity: usize) -> String {
        let mut html = Html::default();
        line(&mut html, "a \"label\"", values, capacity);
        html.into_string()
    }

    #[test]
    fn a_gap_ends_a_line_and_peaks_stay() {
        let svg = drawn(&[Some(1.0), None, Some(2.0)], 120);
        assert_eq!(svg.matches("<polyline").count(), 2, "{svg}");
        assert!(svg.contains("a &quot;label&quot;"), "{svg}");
        let mut values = vec![Some(0.0); 720];
        values[100] = Some(5.0);
        let svg = drawn(&values, 720);
        assert!(svg.contains(",1.5"), "the peak: {svg}");
        assert!(svg.matches(',').count() <= POINTS + 1);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let svg = drawn(&[Some(1.0); 60], 60);
        assert!(
            svg.contains("points=\"-1.0,") && svg.contains(" 240.0,"),
            "from edge to edge: {svg}"
        );
        assert!(!drawn(&[], 720).contains("polyline"));
        assert!(drawn(&[Some(0.0)], 720).contains("polyline"));
    }
}
