//! Small pictures of items as data URLs: a shape by kind, a color by kind and style. Nothing is downloaded.

use std::io::Write;

use super::shop::Shop;

/// Outlines in a square of 32: bottle, box, bag, can, ball, shirt.
const SHAPES: [&str; 6] = [
    "M13 3h6v6l3 4v16H10V13l3-4z",
    "M5 10l11-5 11 5v13l-11 5-11-5z",
    "M8 9h16l2 19H6z",
    "M9 6h14v22H9z",
    "M16 5a11 11 0 1 0 .1 0z",
    "M10 5l6 3 6-3 6 5-4 4v14H8V14l-4-4z",
];

/// Appends the picture of an item as a quoted cell: every data URL has a comma.
pub fn picture(out: &mut Vec<u8>, shop: &Shop, number: u32) {
    let item = &shop.catalog.items[number as usize];
    let kind = usize::from(item.kind);
    // 137 is coprime to 360: neighboring kinds get colors far apart.
    let hue = kind * 137 % 360;
    let light = 38 + 4 * u32::from(item.style);
    // Writing into memory cannot fail.
    let _ = write!(
        out,
        "\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath fill='hsl({hue} 45%25 88%25)' \
         d='M0 0h32v32H0z'/%3E%3Cpath fill='hsl({hue} 40%25 {light}%25)' d='{}'/%3E%3C/svg%3E\"",
        SHAPES[kind % SHAPES.len()]
    );
}
