//! Python's pickle, version 2, as far as `torch.save` needs it for state dicts.

/// Bytes under way; each call adds one value.
pub struct Pickle(Vec<u8>);

impl Pickle {
    pub fn new() -> Pickle {
        Pickle(vec![0x80, 2])
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.push(b'.');
        self.0
    }

    pub fn none(&mut self) {
        self.0.push(b'N');
    }

    pub fn bool(&mut self, value: bool) {
        self.0.push(if value { 0x88 } else { 0x89 });
    }

    pub fn int(&mut self, value: u64) {
        match u32::try_from(value) {
            Ok(value) if value < 1 << 31 => {
                self.0.push(b'J');
                self.0.extend(value.to_le_bytes());
            }
            // Nine bytes, so that the highest bit is no sign.
            _ => {
                self.0.extend([0x8a, 9]);
                self.0.extend(value.to_le_bytes());
                self.0.push(0);
            }
        }
    }

    pub fn float(&mut self, value: f64) {
        self.0.push(b'G');
        self.0.extend(value.to_be_bytes());
    }

    pub fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    /// Keys and values in turn, as `fill` adds them.
    pub fn dict(&mut self, fill: impl FnOnce(&mut Pickle)) {
        self.0.push(b'}');
        self.0.push(b'(');
        fill(self);
        self.0.push(b'u');
    }

    /// The same, as a state dict.
    pub fn ordered(&mut self, fill: impl FnOnce(&mut Pickle)) {
        self.0.extend(b"ccollections\nOrderedDict\n)R(");
        fill(self);
        self.0.push(b'u');
    }

    pub fn list(&mut self, fill: impl FnOnce(&mut Pickle)) {
        self.0.extend(b"](");
        fill(self);
        self.0.push(b'e');
    }

    pub fn tuple(&mut self, fill: impl FnOnce(&mut Pickle)) {
        self.0.push(b'(');
        fill(self);
        self.0.push(b't');
    }

    /// An f32 tensor whose values are the archive's file `data/KEY`, row by row.
    pub fn tensor(&mut self, key: usize, shape: &[usize]) {
        let count: usize = shape.iter().product();
        self.0.extend(b"ctorch._utils\n_rebuild_tensor_v2\n");
        self.tuple(|p| {
            p.tuple(|p| {
                p.text("storage");
                p.0.extend(b"ctorch\nFloatStorage\n");
                p.text(&key.to_string());
                p.text("cpu");
                p.int(count as u64);
            });
            p.0.push(b'Q');
            p.int(0);
            p.tuple(|p| shape.iter().for_each(|&length| p.int(length as u64)));
            p.tuple(|p| {
                let strides = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product::<usize>());
                strides.for_each(|stride| p.int(stride as u64));
            });
            p.bool(false);
            p.0.extend(b"ccollections\nOrderedDict\n)R");
        });
        self.0.push(b'R');
    }
}
