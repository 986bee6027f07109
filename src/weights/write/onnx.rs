//! One encoder as an ONNX graph (opset 17): normalised pixels in, features out, any number of images at once.

use super::protobuf::Message;
use crate::model::config::ModelConfig;
use crate::model::tensors::{Tensor, Tensors};
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// ONNX's numbers for types of values.
const FLOAT: i64 = 1;
const INT64: i64 = 7;
const FLOAT16: i64 = 10;
/// Opset 17 has LayerNormalization; this version of the format came with it.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;
/// A message of protocol buffers holds 2 GiB at most: beyond this, weights stand in a file beside it.
pub const MOST_INSIDE: u64 = 1 << 30;

/// How an encoder is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Weights and products in 16 bits; pixels and features stay in 32.
    pub half: bool,
    /// Weights in `model.onnx.data`.
    pub beside: bool,
}

/// Writes `model.onnx`: `pixel_values` `[batch, 3, crop, crop]` in; `features` `[batch, D]` (the mean of the patches) and
/// `last_hidden_state` `[batch, N, D]` out. With classes, whose layer is `{network}.head` of the tensors, also `logits`
/// `[batch, C]`, and their names as a JSON list in the metadata.
///
/// Errors: run, where a tensor is missing or a file can't be written.
pub fn onnx(
    folder: &Path,
    model: &ModelConfig,
    tensors: &Tensors,
    network: &str,
    options: Options,
    classes: Option<&[String]>,
) -> Result<()> {
    let path = folder.join("model.onnx");
    let failed = |e: std::io::Error| Error::run(format!("{} can't be written: {e}", path.display()));
    let beside = match options.beside {
        true => Some(BufWriter::new(File::create(folder.join(BESIDE)).map_err(failed)?)),
        false => None,
    };
    let mut graph = Graph {
        tensors,
        network,
        half: options.half,
        beside,
        written: 0,
        message: Message::default(),
        names: 0,
    };
    graph.encoder(model, classes.map(<[String]>::len))?;
    if let Some(beside) = &mut graph.beside {
        beside.flush().map_err(failed)?;
    }
    let mut file = Message::default();
    file.int(1, IR_VERSION);
    file.text(2, "ijepa");
    file.text(3, env!("CARGO_PKG_VERSION"));
    file.bytes(7, &graph.message.end());
    file.message(8, |opset| {
        opset.text(1, "");
        opset.int(2, OPSET);
    });
    if let Some(classes) = classes {
        file.message(14, |entry| {
            entry.text(1, "classes");
            entry.text(2, &serde_json::json!(classes).to_string());
        });
    }
    std::fs::write(&path, file.end()).map_err(failed)
}

const BESIDE: &str = "model.onnx.data";

/// An attribute of a node.
enum Attribute<'a> {
    Int(&'a str, i64),
    Float(&'a str, f32),
    Ints(&'a str, &'a [i64]),
}

use Attribute::{Float, Int, Ints};

/// A graph under way; each node has one output, whose name is handed on.
struct Graph<'a> {
    tensors: &'a Tensors,
    network: &'a str,
    half: bool,
    beside: Option<BufWriter<File>>,
    /// Bytes in the file beside.
    written: u64,
    message: Message,
    names: usize,
}

impl Graph<'_> {
    fn encoder(&mut self, model: &ModelConfig, classes: Option<usize>) -> Result<()> {
        let (n, d, patch) = (model.num_patches() as i64, model.embed_dim as i64, model.patch as i64);
        self.message.text(2, "ijepa");
        let mut x = "pixel_values".to_string();
        if self.half {
            x = self.node("Cast", &[&x], &[Int("to", FLOAT16)]);
        }
        let (weight, bias) = (
            self.tensor("patch_embed.proj.weight")?,
            self.tensor("patch_embed.proj.bias")?,
        );
        let side = [patch, patch];
        let kernel = [Ints("kernel_shape", &side), Ints("strides", &side)];
        x = self.node("Conv", &[&x, &weight, &bias], &kernel);
        x = self.reshape(&x, &[0, d, n]);
        x = self.transpose(&x, &[0, 2, 1]);
        let positions = self.tensor("pos_embed")?;
        x = self.node("Add", &[&x, &positions], &[]);
        for i in 0..model.depth {
            x = self.block(model, &format!("blocks.{i}"), &x)?;
        }
        x = self.norm("norm", &x)?;
        let mut mean = self.node("ReduceMean", &[&x], &[Ints("axes", &[1]), Int("keepdims", 0)]);
        let mut logits = classes.map(|_| self.linear("head", &mean)).transpose()?;
        if self.half {
            logits = logits.map(|logits| self.node("Cast", &[&logits], &[Int("to", FLOAT)]));
            (x, mean) = (
                self.node("Cast", &[&x], &[Int("to", FLOAT)]),
                self.node("Cast", &[&mean], &[Int("to", FLOAT)]),
            );
        }
        self.named("Identity", &mean, "features");
        self.named("Identity", &x, "last_hidden_state");
        let side = model.side()? as i64;
        self.value(11, "pixel_values", &[3, side, side]);
        self.value(12, "features", &[d]);
        self.value(12, "last_hidden_state", &[n, d]);
        if let (Some(logits), Some(classes)) = (logits, classes) {
            self.named("Identity", &logits, "logits");
            self.value(12, "logits", &[classes as i64]);
        }
        Ok(())
    }

    fn block(&mut self, model: &ModelConfig, name: &str, x: &str) -> Result<String> {
        let (n, d) = (model.num_patches() as i64, model.embed_dim as i64);
        let heads = model.num_heads as i64;
        let dim = d / heads;
        let norm = self.norm(&format!("{name}.norm1"), x)?;
        let qkv = self.linear(&format!("{name}.attn.qkv"), &norm)?;
        let qkv = self.reshape(&qkv, &[0, n, 3, heads, dim]);
        let qkv = self.transpose(&qkv, &[2, 0, 3, 1, 4]); // [3, B, H, N, dim]
        let parts = [0, 1, 2].map(|part| {
            let index = self.whole(&[], &[part]);
            self.node("Gather", &[&qkv, &index], &[Int("axis", 0)])
        });
        let [query, key, value] = &parts;
        // Scaled before the product, where 16 bits would not hold it after.
        let scale = self.number((dim as f32).powf(-0.5));
        let query = self.node("Mul", &[query, &scale], &[]);
        let key = self.transpose(key, &[0, 1, 3, 2]);
        let scores = self.node("MatMul", &[&query, &key], &[]);
        let shares = self.node("Softmax", &[&scores], &[Int("axis", -1)]);
        let mixed = self.node("MatMul", &[&shares, value], &[]);
        let mixed = self.transpose(&mixed, &[0, 2, 1, 3]);
        let mixed = self.reshape(&mixed, &[0, n, d]);
        let out = self.linear(&format!("{name}.attn.proj"), &mixed)?;
        let x = self.node("Add", &[x, &out], &[]);
        let norm = self.norm(&format!("{name}.norm2"), &x)?;
        let hidden = self.linear(&format!("{name}.mlp.fc1"), &norm)?;
        let hidden = self.gelu(&hidden);
        let out = self.linear(&format!("{name}.mlp.fc2"), &hidden)?;
        Ok(self.node("Add", &[&x, &out], &[]))
    }

    /// `x / 2 * (1 + erf(x / sqrt 2))`: an operator of its own only since opset 20.
    fn gelu(&mut self, x: &str) -> String {
        let (root, one, half) = (
            self.number(std::f32::consts::FRAC_1_SQRT_2),
            self.number(1.0),
            self.number(0.5),
        );
        let inner = self.node("Mul", &[x, &root], &[]);
        let erf = self.node("Erf", &[&inner], &[]);
        let sum = self.node("Add", &[&erf, &one], &[]);
        let halved = self.node("Mul", &[x, &half], &[]);
        self.node("Mul", &[&halved, &sum], &[])
    }

    fn norm(&mut self, name: &str, x: &str) -> Result<String> {
        let (weight, bias) = (
            self.tensor(&format!("{name}.weight"))?,
            self.tensor(&format!("{name}.bias"))?,
        );
        Ok(self.node(
            "LayerNormalization",
            &[x, &weight, &bias],
            &[Int("axis", -1), Float("epsilon", 1e-6)],
        ))
    }

    /// A linear layer; its weight `[out, in]` goes in as `[in, out]`, which MatMul wants.
    fn linear(&mut self, name: &str, x: &str) -> Result<String> {
        let weight = self.found(&format!("{name}.weight"))?;
        let (outputs, inputs) = (weight.shape[0], weight.values.len() / weight.shape[0].max(1));
        let mut turned = vec![0.0; weight.values.len()];
        for (row, values) in weight.values.chunks_exact(inputs).enumerate() {
            for (column, value) in values.iter().enumerate() {
                turned[column * outputs + row] = *value;
            }
        }
        let weight = self.values(&format!("{name}.weight"), &[inputs, outputs], &turned)?;
        let bias = self.tensor(&format!("{name}.bias"))?;
        let product = self.node("MatMul", &[x, &weight], &[]);
        Ok(self.node("Add", &[&product, &bias], &[]))
    }

    fn found(&self, name: &str) -> Result<&Tensor> {
        let name = format!("{}.{name}", self.network);
        let found = self.tensors.get(&name);
        found.ok_or_else(|| Error::run(format!("there is no tensor \"{name}\" to write")))
    }

    /// A parameter as it is; its name in the graph.
    fn tensor(&mut self, name: &str) -> Result<String> {
        let tensor = self.found(name)?.clone();
        self.values(name, &tensor.shape, &tensor.values)
    }

    fn values(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<String> {
        let (kind, bytes): (i64, Vec<u8>) = match self.half {
            false => (FLOAT, bytemuck::cast_slice(values).to_vec()),
            true => {
                let bytes = values
                    .iter()
                    .flat_map(|&value| half::f16::from_f32(value).to_le_bytes());
                (FLOAT16, bytes.collect())
            }
        };
        let shape: Vec<i64> = shape.iter().map(|&length| length as i64).collect();
        let Some(beside) = &mut self.beside else {
            self.initializer(name, kind, &shape, |tensor| tensor.bytes(9, &bytes));
            return Ok(name.to_string());
        };
        let failed = |e: std::io::Error| Error::run(format!("{BESIDE} can't be written: {e}"));
        beside.write_all(&bytes).map_err(failed)?;
        let (offset, length) = (self.written, bytes.len());
        self.written += length as u64;
        self.initializer(name, kind, &shape, |tensor| {
            let texts = [
                ("location", BESIDE.to_string()),
                ("offset", offset.to_string()),
                ("length", length.to_string()),
            ];
            for (key, text) in texts {
                tensor.message(13, |entry| {
                    entry.text(1, key);
                    entry.text(2, &text);
                });
            }
            tensor.int(14, 1);
        });
        Ok(name.to_string())
    }

    fn initializer(&mut self, name: &str, kind: i64, shape: &[i64], data: impl FnOnce(&mut Message)) {
        self.message.message(5, |tensor| {
            shape.iter().for_each(|&length| tensor.int(1, length));
            tensor.int(2, kind);
            tensor.text(8, name);
            data(tensor);
        });
    }

    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    /// A number of the graph's type.
    fn number(&mut self, value: f32) -> String {
        let name = self.fresh();
        let (kind, bytes) = match self.half {
            false => (FLOAT, value.to_le_bytes().to_vec()),
            true => (FLOAT16, half::f16::from_f32(value).to_le_bytes().to_vec()),
        };
        self.initializer(&name, kind, &[], |tensor| tensor.bytes(9, &bytes));
        name
    }

    /// Whole numbers.
    fn whole(&mut self, shape: &[i64], values: &[i64]) -> String {
        let name = self.fresh();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initializer(&name, INT64, shape, |tensor| tensor.bytes(9, &bytes));
        name
    }

    /// 0 keeps an axis as it is.
    fn reshape(&mut self, x: &str, shape: &[i64]) -> String {
        let shape = self.whole(&[shape.len() as i64], shape);
        self.node("Reshape", &[x, &shape], &[])
    }

    fn transpose(&mut self, x: &str, order: &[i64]) -> String {
        self.node("Transpose", &[x], &[Ints("perm", order)])
    }

    fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[Attribute]) -> String {
        let output = self.fresh();
        self.add(operator, inputs, &output, attributes);
        output
    }

    fn named(&mut self, operator: &str, input: &str, output: &str) {
        self.add(operator, &[input], output, &[]);
    }

    fn add(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) {
        self.message.message(1, |node| {
            inputs.iter().for_each(|input| node.text(1, input));
            node.text(2, output);
            node.text(3, &format!("{operator} {output}"));
            node.text(4, operator);
            for attribute in attributes {
                node.message(5, |message| match attribute {
                    Int(name, value) => {
                        message.text(1, name);
                        message.int(3, *value);
                        message.int(20, 2);
                    }
                    Float(name, value) => {
                        message.text(1, name);
                        message.float(2, *value);
                        message.int(20, 1);
                    }
                    Ints(name, values) => {
                        message.text(1, name);
                        values.iter().for_each(|&value| message.int(8, value));
                        message.int(20, 7);
                    }
                });
            }
        });
    }

    /// An input or output `[batch, shape...]` in 32 bits.
    fn value(&mut self, field: u64, name: &str, shape: &[i64]) {
        self.message.message(field, |value| {
            value.text(1, name);
            value.message(2, |kind| {
                kind.message(1, |tensor| {
                    tensor.int(1, FLOAT);
                    tensor.message(2, |dims| {
                        dims.message(1, |dim| dim.text(2, "batch"));
                        shape
                            .iter()
                            .for_each(|&length| dims.message(1, |dim| dim.int(1, length)));
                    });
                });
            });
        });
    }
}
