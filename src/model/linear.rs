//! A linear layer, forward and backward: where the products of a step are, in f32 or with their operands in 16 bits.

use super::memory::Memory;
use super::parameters::{Copy, Parameters};
use crate::Result;
use crate::gpu::{Recorder, View};
use crate::ops::cast::{Bits, Half, cast, cast_scaled};
use crate::ops::column_sum;
use crate::ops::matmul::{Epilogue, Form, product, product16};

/// Weight `[out, in]` and bias `[1, out]` of a linear layer; or their gradients.
#[derive(Clone, Debug)]
pub struct Linear {
    pub weight: View,
    pub bias: View,
    /// Gradients are added to those that are there (`Copy::Sums`), not written over them.
    pub add: bool,
}

/// What a layer reads, x `[R, in]`: forward, and once more for its weight's gradient.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub x: &'a View,
    /// Where products have 16 bits: x in these, written by the forward pass and read by the backward pass, which then asks
    /// for no f32. `None`: x stays, and is rounded anew.
    pub kept: Option<&'a View>,
}

impl<'a> Input<'a> {
    pub fn of(x: &'a View) -> Input<'a> {
        Input { x, kept: None }
    }
}

/// What becomes of a layer's output.
#[derive(Clone, Copy)]
pub enum Then<'a> {
    Nothing,
    /// gelu(output); before that the output is kept in `[R, out]`, where a gradient will ask for it.
    Gelu(Option<&'a View>),
    /// x + output; x `[R, out]`
    Residual(&'a View),
}

/// Where a layer's backward pass leaves the gradient of its input, and what becomes of that first.
#[derive(Clone, Copy)]
pub enum Into<'a> {
    /// Nobody asks for it: pixels have none.
    Nothing,
    /// dx `[R, in]` =
    Gradient(&'a View),
    /// dx `[R, in]` = gradient * gelu'(pre); pre `[R, in]`: the input was gelu(pre).
    ThroughGelu { dx: &'a View, pre: &'a View },
}

impl Linear {
    pub fn of(parameters: &Parameters, name: &str, copy: Copy) -> Result<Linear> {
        Ok(Linear {
            weight: parameters.view(&format!("{name}.weight"), copy)?,
            bias: parameters.view(&format!("{name}.bias"), copy)?,
            add: copy == Copy::Sums,
        })
    }

    /// y `[R, out]` = x `[R, in]` · weightᵀ + bias, and what `then` says.
    pub fn forward(&self, rec: &mut Recorder, input: Input, y: &View, then: Then, memory: &Memory) -> Result<()> {
        let bias = &self.bias;
        let epilogue = match then {
            Then::Nothing => Epilogue::Bias(bias),
            Then::Gelu(pre) => Epilogue::BiasGelu { bias, pre },
            Then::Residual(x) => Epilogue::BiasResidual { bias, x },
        };
        let Some(bits) = memory.dims.bits else {
            return product(rec, Form::Nt, input.x, &self.weight, y, epilogue);
        };
        let x = in_16_bits(rec, bits, input.x, input.kept.unwrap_or(&memory.halves[0]))?;
        let weight = in_16_bits(rec, bits, &self.weight, &memory.halves[1])?;
        product16(rec, Form::Nt, &x, &weight, y, epilogue)
    }

    /// From dy `[R, out]` to the gradients of weight and bias (dW = dyᵀ · x, db = column sums of dy; `gradients` = or +=, as
    /// they say) and of the input (dx = dy · weight).
    pub fn backward(
        &self,
        rec: &mut Recorder,
        gradients: &Linear,
        (input, dy): (Input, &View),
        dx: Into,
        memory: &Memory,
    ) -> Result<()> {
        let epilogue = if gradients.add {
            Epilogue::Accumulate
        } else {
            Epilogue::Plain
        };
        let x = input.x;
        let asked = match dx {
            Into::Nothing => None,
            Into::Gradient(dx) => Some((dx, Epilogue::Plain)),
            Into::ThroughGelu { dx, pre } => Some((dx, Epilogue::GeluBackward { pre })),
        };
        match memory.dims.bits {
            None => {
                product(rec, Form::Tn, dy, x, &gradients.weight, epilogue)?;
                if let Some((dx, epilogue)) = asked {
                    product(rec, Form::Nn, dy, &self.weight, dx, epilogue)?;
                }
            }
            Some(bits) => {
                let dy = memory.gradient_in_16_bits(rec, bits, dy)?;
                let x = match input.kept {
                    Some(kept) => Half::of(kept, bits, x.rows, x.cols)?,
                    None => in_16_bits(rec, bits, x, &memory.halves[1])?,
                };
                product16(rec, Form::Tn, &dy, &x, &gradients.weight, epilogue)?;
                if let Some((dx, epilogue)) = asked {
                    let weight = in_16_bits(rec, bits, &self.weight, &memory.halves[1])?;
                    product16(rec, Form::Nn, &dy, &weight, dx, epilogue)?;
                }
            }
        }
        column_sum::sum(rec, dy, &gradients.bias, &memory.partial, gradients.add)
    }
}

/// `x` in 16 bits, in `memory`.
fn in_16_bits(rec: &mut Recorder, bits: Bits, x: &View, memory: &View) -> Result<Half> {
    let half = Half::of(memory, bits, x.rows, x.cols)?;
    cast(rec, x, &half)?;
    Ok(half)
}

impl Memory {
    /// The same of a gradient, as a left operand: f16 has no numbers below 6e-8, so there it is brought into its range first.
    fn gradient_in_16_bits(&self, rec: &mut Recorder, bits: Bits, dy: &View) -> Result<Half> {
        match bits {
            Bits::Bf16 => in_16_bits(rec, bits, dy, &self.halves[0]),
            Bits::F16 => {
                let half = Half::of(&self.halves[0], bits, dy.rows, dy.cols)?;
                cast_scaled(rec, dy, half, &self.partial, &self.factors)
            }
        }
    }
}
