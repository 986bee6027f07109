//! What a recorded case holds beside the weights.

use burn::tensor::{Device, Int, Tensor, TensorData};
use safetensors::SafeTensors;

/// Sizes and rates.
pub struct Case {
    pub batch: usize,
    pub patch: usize,
    pub patches: usize,
    pub dim: usize,
    pub depth: usize,
    pub heads: usize,
    pub hidden: usize,
    pub pred_dim: usize,
    pub pred_depth: usize,
    pub lr: f64,
    pub wd: f64,
    pub momentum: f64,
}

/// The rows that masks keep, as indices for `select`: `sets` lists of `count` patches.
pub struct Rows {
    pub sets: usize,
    pub count: usize,
    patches: Tensor<1, Int>,
    rows: Tensor<1, Int>,
}

impl Rows {
    /// Lists `[B, K]` one after the other, of a file's `[B, K]` each.
    fn new(lists: &[&[i32]], batch: usize, case: &Case, device: &Device) -> Rows {
        let count = lists[0].len() / batch;
        let patches: Vec<i32> = lists.concat();
        let of_images = |(i, patch): (usize, &i32)| (i / count % batch * case.patches) as i32 + patch;
        let rows: Vec<i32> = patches.iter().enumerate().map(of_images).collect();
        let tensor = |list: Vec<i32>| Tensor::from_data(TensorData::new(list.clone(), [list.len()]), device);
        Rows {
            sets: lists.len() * batch,
            count,
            patches: tensor(patches),
            rows: tensor(rows),
        }
    }

    /// `[B, N, D]` -> `[sets, count, D]`
    pub fn of_images(&self, x: Tensor<3>) -> Tensor<3> {
        self.select(x, &self.rows)
    }

    /// `[1, N, D]` -> `[sets, count, D]`
    pub fn of_one(&self, x: Tensor<3>) -> Tensor<3> {
        self.select(x, &self.patches)
    }

    fn select(&self, x: Tensor<3>, rows: &Tensor<1, Int>) -> Tensor<3> {
        let [b, n, d] = x.dims();
        let taken = x.reshape([b * n, d]).select(0, rows.clone());
        taken.reshape([self.sets, self.count, d])
    }
}

/// What a step is fed.
pub struct Batch {
    pub images: Tensor<4>,
    pub context: Rows,
    pub targets: Rows,
}

/// The case and its batches.
pub fn read(bytes: &[u8], device: &Device) -> (Case, Vec<Batch>) {
    let (_, header) = SafeTensors::read_metadata(bytes).expect("a safetensors file");
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get("case"));
    let json: serde_json::Value = serde_json::from_str(text.expect("a recorded case")).expect("JSON");
    let size = |key: &str| json[key].as_u64().expect(key) as usize;
    let rate = |key: &str| json[key].as_f64().expect(key);
    let case = Case {
        batch: size("batch"),
        patch: size("patch"),
        patches: size("patches"),
        dim: size("dim"),
        depth: size("depth"),
        heads: size("heads"),
        hidden: size("hidden"),
        pred_dim: size("pred_dim"),
        pred_depth: size("pred_depth"),
        lr: rate("lr"),
        wd: rate("wd"),
        momentum: rate("momentum"),
    };
    let (crop, num_enc, num_pred) = (size("crop"), size("num_enc"), size("num_pred"));
    let file = SafeTensors::deserialize(bytes).expect("a safetensors file");
    let words = |name: String| {
        let data = file.tensor(&name).expect(&name).data().chunks_exact(4);
        data.map(|word| word.try_into().expect("4 bytes"))
            .collect::<Vec<[u8; 4]>>()
    };
    let batch = |step: usize| {
        let lists = |kind: &str, count: usize| {
            let list = |k| words(format!("step.{step}.masks_{kind}.{k}"));
            let list = |k| list(k).into_iter().map(i32::from_le_bytes).collect();
            (0..count).map(list).collect::<Vec<Vec<i32>>>()
        };
        let (context, targets) = (lists("enc", num_enc), lists("pred", num_pred));
        let context: Vec<&[i32]> = context.iter().map(|list| &list[..]).collect();
        // Mask-major, then context mask, then image.
        let targets: Vec<&[i32]> = targets.iter().flat_map(|list| vec![&list[..]; num_enc]).collect();
        let images: Vec<f32> = words(format!("step.{step}.images"))
            .into_iter()
            .map(f32::from_le_bytes)
            .collect();
        Batch {
            images: Tensor::from_data(TensorData::new(images, [case.batch, 3, crop, crop]), device),
            context: Rows::new(&context, case.batch, &case, device),
            targets: Rows::new(&targets, case.batch, &case, device),
        }
    };
    let batches = (0..size("steps")).map(batch).collect();
    (case, batches)
}
