//! Contact sheets: a page of HTML that holds its pictures, loads nothing and runs nothing.

use crate::cli::html::escaped;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ijepa::data::decode::MAX_PIXELS;
use ijepa::data::image::Image;
use ijepa::data::source::Dataset;
use ijepa::eval::search::index::Item;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::collections::HashMap;

/// Pixels of a picture's longer side: sharp on screens of two pixels a point. Smaller images stay as they are.
const SIDE: usize = 256;
const QUALITY: u8 = 82;

/// What stands at the top.
pub struct Sheet {
    pub title: String,
    pub intro: String,
}

/// Pictures under one heading.
pub struct Section {
    pub title: String,
    pub cells: Vec<Cell>,
}

pub struct Cell {
    pub name: String,
    /// A few words before the name, such as a cosine.
    pub note: String,
    /// As a `data:` address, or why there is none.
    pub picture: Result<String, String>,
    /// Drawn with a frame: what was asked for.
    pub marked: bool,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#d5d5d5;--soft:#666;--mark:#0b6bcb;--ground:#f4f4f2}
@media(prefers-color-scheme:dark){:root{--line:#444;--soft:#aaa;--mark:#6cb2ff;--ground:#262626}}
body{font:15px/1.4 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1rem;margin:2rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--line);
font-weight:600;overflow-wrap:anywhere}p{color:var(--soft);margin:0;overflow-wrap:anywhere}
ul{list-style:none;margin:0;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(8.6rem,1fr));gap:.9rem}
li{break-inside:avoid;min-width:0}
li div{height:8.6rem;display:flex;align-items:center;justify-content:center;background:var(--ground);border:2px solid transparent}
li.marked div{border-color:var(--mark)}
img{width:100%;height:100%;object-fit:contain;image-rendering:auto}
small{display:block;font-size:.78rem;color:var(--soft);overflow-wrap:anywhere;margin-top:.25rem}
small b{color:CanvasText;font-variant-numeric:tabular-nums}
div em{font-size:.78rem;color:var(--soft);padding:.5rem;text-align:center}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}}";

impl Sheet {
    pub fn render(&self, sections: &[Section]) -> String {
        let title = escaped(&self.title);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style></head>\n\
             <body><h1>{title}</h1>\n<p>{}</p>\n",
            escaped(&self.intro)
        );
        for section in sections {
            page += &format!("<h2>{}</h2>\n<ul>\n", escaped(&section.title));
            for cell in &section.cells {
                let name = escaped(&cell.name);
                let picture = match &cell.picture {
                    Ok(address) => format!("<img src=\"{address}\" alt=\"{name}\" title=\"{name}\">"),
                    Err(why) => format!("<em>{}</em>", escaped(why)),
                };
                let class = if cell.marked { " class=\"marked\"" } else { "" };
                let note = match cell.note.is_empty() {
                    true => String::new(),
                    false => format!("<b>{}</b> ", escaped(&cell.note)),
                };
                page += &format!("<li{class}><div>{picture}</div><small>{note}{name}</small></li>\n");
            }
            page += "</ul>\n";
        }
        page + "</body></html>\n"
    }
}

/// The images of a folder by their paths in it, read once they are shown.
pub struct Pictures(Option<(Dataset, HashMap<Vec<u8>, usize>)>);

impl Pictures {
    /// A folder that is no longer there has none.
    pub fn of(folder: &str) -> Pictures {
        let data = Dataset::open_all(folder, 0, MAX_PIXELS).ok();
        Pictures(data.map(|data| {
            let places = (0..data.len()).map(|index| (data.raw_name(index), index)).collect();
            (data, places)
        }))
    }

    /// A small picture as a `data:` address.
    pub fn of_item(&self, item: &Item) -> Result<String, String> {
        picture(&self.image(item)?)
    }

    /// The image, as it is now.
    pub fn image(&self, item: &Item) -> Result<Image, String> {
        let found = self
            .0
            .as_ref()
            .and_then(|(data, places)| Some((data, *places.get(&item.path())?)));
        let (data, index) = found.ok_or("is no longer there")?;
        data.image(index)
    }
}

/// A small picture of an image as a `data:` address.
pub fn picture(image: &Image) -> Result<String, String> {
    let longer = image.width.max(image.height);
    let scaled = |side: usize| (side * SIDE.min(longer) / longer.max(1)).max(1);
    let small = image.resized(scaled(image.width), scaled(image.height));
    let mut bytes = vec![];
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .write_image(
            &small.pixels,
            small.width as u32,
            small.height as u32,
            ExtendedColorType::Rgb8,
        )
        .map_err(|e| e.to_string())?;
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_whatever_stands_in_them() {
        let name = "</title><script>alert('1')</script>\"onerror=x&amp;\u{202e}\n.png";
        let sheet = Sheet {
            title: name.to_string(),
            intro: name.to_string(),
        };
        let cell = |picture| Cell {
            name: name.to_string(),
            note: name.to_string(),
            picture,
            marked: false,
        };
        let image = Image {
            width: 3,
            height: 1,
            pixels: vec![9; 9],
        };
        let cells = vec![cell(picture(&image)), cell(Err(name.to_string()))];
        let title = name.to_string();
        let page = sheet.render(&[Section { title, cells }]);
        assert!(!page.contains("<script") && !page.contains("\"onerror") && !page.contains('\u{202e}'));
        assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)") && page.contains("&amp;amp;\\u{202e}\\n.png"));
        assert_eq!(page.matches("<li>").count(), 2);
        assert!(page.contains("src=\"data:image/jpeg;base64,/9j/"));
    }
}
