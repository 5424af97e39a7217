//! Excel workbooks as a source of orders. The workbooks are written here, part by part.

use std::fmt::Write as _;

use qianmian_trainer::config::Config;
use qianmian_trainer::orders::{Code, Orders, ReadOptions, read};

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600;

/// A cell of a sheet.
pub enum Cell {
    /// Text.
    Text(&'static str),
    /// A number.
    Number(f64),
    /// A number that is shown as a date.
    Date(f64),
}

/// An xlsx workbook of these sheets, each a name and rows.
pub fn workbook(sheets: &[(&str, Vec<Vec<Cell>>)]) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006";
    let (mut list, mut links) = (String::new(), String::new());
    let mut parts = vec![
        (
            "[Content_Types].xml".to_owned(),
            format!(
                "<Types xmlns=\"{package}/content-types\"><Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>"
            ),
        ),
        (
            "_rels/.rels".to_owned(),
            format!(
                "<Relationships xmlns=\"{package}/relationships\"><Relationship Id=\"r1\" Type=\"{office}/officeDocument\" \
                 Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/styles.xml".to_owned(),
            format!(
                "<styleSheet xmlns=\"{main}\"><cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>"
            ),
        ),
    ];
    for (n, (name, rows)) in sheets.iter().enumerate() {
        let n = n + 1;
        write!(list, "<sheet name=\"{name}\" sheetId=\"{n}\" r:id=\"s{n}\"/>").unwrap();
        write!(
            links,
            "<Relationship Id=\"s{n}\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet{n}.xml\"/>"
        )
        .unwrap();
        parts.push((
            format!("xl/worksheets/sheet{n}.xml"),
            format!("<worksheet xmlns=\"{main}\"><sheetData>{}</sheetData></worksheet>", cells(rows)),
        ));
    }
    parts.push((
        "xl/workbook.xml".to_owned(),
        format!("<workbook xmlns=\"{main}\" xmlns:r=\"{office}\"><sheets>{list}</sheets></workbook>"),
    ));
    parts.push((
        "xl/_rels/workbook.xml.rels".to_owned(),
        format!("<Relationships xmlns=\"{package}/relationships\">{links}</Relationships>"),
    ));
    zip(&parts)
}

fn cells(rows: &[Vec<Cell>]) -> String {
    let mut text = String::new();
    for (r, row) in rows.iter().enumerate() {
        write!(text, "<row r=\"{}\">", r + 1).unwrap();
        for (c, cell) in row.iter().enumerate() {
            let place = format!("{}{}", char::from(b'A' + c as u8), r + 1);
            match cell {
                Cell::Text("") => Ok(()),
                Cell::Text(value) => {
                    write!(text, "<c r=\"{place}\" t=\"inlineStr\"><is><t>{value}</t></is></c>")
                }
                Cell::Number(value) => write!(text, "<c r=\"{place}\"><v>{value}</v></c>"),
                Cell::Date(value) => write!(text, "<c r=\"{place}\" s=\"1\"><v>{value}</v></c>"),
            }
            .unwrap();
        }
        text.push_str("</row>");
    }
    text
}

/// A zip archive that stores its parts as they are.
fn zip(parts: &[(String, String)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in parts {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        let offset = archive.len() as u32;
        let sizes = |out: &mut Vec<u8>| {
            out.extend([20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x58]);
            out.extend(crc.sum().to_le_bytes());
            out.extend((text.len() as u32).to_le_bytes());
            out.extend((text.len() as u32).to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
        };
        archive.extend(b"PK\x03\x04");
        sizes(&mut archive);
        archive.extend([0, 0]);
        archive.extend(name.as_bytes());
        archive.extend(text.as_bytes());
        directory.extend(b"PK\x01\x02\x14\0");
        sizes(&mut directory);
        directory.extend([0u8; 12]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, count) = (archive.len() as u32, parts.len() as u16);
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0, 0]);
    archive
}

/// A header and two lines of an order.
pub fn sheet(order: &'static str) -> Vec<Vec<Cell>> {
    use Cell::{Date, Number, Text};
    vec![
        vec![Text("订单编号"), Text("会员号"), Text("商品编码"), Text("付款时间"), Text("数量")],
        vec![Text(order), Number(17000.0), Text("007"), Date(45292.4), Number(2.0)],
        vec![Text(order), Number(17000.0), Number(23001.0), Date(45292.4), Number(1.5)],
    ]
}

fn try_book(bytes: &[u8], options: &str) -> anyhow::Result<Orders> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("o.xlsx"), bytes).unwrap();
    let config = Config::parse(&format!("[orders]\nfiles = [\"o.xlsx\"]\n{options}"), folder.path()).unwrap();
    Ok(read(&config, &ReadOptions::new(NOW), &|_, _, _| {})?.orders)
}

#[test]
fn cells_are_read_as_they_are_meant() {
    let orders = try_book(&workbook(&[("Sheet1", sheet("A1"))]), "").unwrap();
    assert_eq!((orders.item_ids.join(" "), orders.user_ids.join(" ")), ("007 23001".into(), "17000".into()));
    // 2024-01-01T09:36:00Z.
    assert_eq!(
        (orders.lines[0].at, orders.lines[0].quantity, orders.lines[1].quantity),
        (1_704_101_760, 2.0, 1.5)
    );
    assert_eq!((orders.summary.lines.total(), orders.n_baskets), (3, 1));
}

#[test]
fn times_of_day_are_whole_seconds() {
    use Cell::{Date, Number, Text};
    let mut sheet = vec![vec![Text("订单编号"), Text("商品编码"), Text("付款时间")]];
    // Every ten minutes of a day: many are no exact fractions of it.
    let times = (0..144).map(f64::from);
    sheet.extend(times.map(|n| vec![Number(1000.0 + n), Text("A"), Date(45292.0 + n / 144.0)]));
    let orders = try_book(&workbook(&[("Sheet1", sheet)]), "").unwrap();
    let wrong: Vec<i64> = orders
        .lines
        .iter()
        .zip(0..)
        .map(|(line, n)| line.at - 1_704_067_200 - 600 * n)
        .filter(|d| *d != 0)
        .collect();
    assert_eq!((orders.lines.len(), wrong), (144, vec![]));
}

#[test]
fn sheets_of_the_same_columns_are_one_table_and_others_are_said() {
    let notes = vec![vec![Cell::Text("导出说明"), Cell::Text("x")]];
    let book = workbook(&[("说明", notes), ("一月", sheet("A1")), ("二月", sheet("B1"))]);
    let orders = try_book(&book, "").unwrap();
    assert_eq!(orders.n_baskets, 2);
    assert!(orders.summary.has(Code::SheetsNotRead), "{}", orders.summary);
    let one = try_book(&book, "sheet = \"二月\"").unwrap();
    assert_eq!((one.n_baskets, one.summary.has(Code::SheetsNotRead)), (1, false));
    let error = try_book(&book, "sheet = \"三月\"").unwrap_err().to_string();
    assert!(error.contains("has no sheet") && error.contains("一月"), "{error}");
}

#[test]
fn what_is_no_workbook_says_how_to_save_it() {
    let book = workbook(&[("Sheet1", sheet("A1"))]);
    let error = try_book(&book[..book.len() / 2], "").unwrap_err().to_string();
    assert!(error.contains("no workbook") && error.contains("CSV UTF-8"), "{error}");
}
