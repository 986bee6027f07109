//! attention in f64, with the full softmax matrix of every head, as the paper writes it. Slow on purpose.

/// softmax(q k^T / sqrt(dim)) for each image and head: `[batch, heads, tokens, tokens]`, each query's row summing to 1.
/// `qkv` as in `forward`.
pub fn weights(qkv: &[f64], batch: usize, tokens: usize, heads: usize, dim: usize) -> Vec<f64> {
    let at =
        |b: usize, token: usize, part: usize, head: usize| (((b * tokens + token) * 3 + part) * heads + head) * dim;
    let mut weights = Vec::with_capacity(batch * heads * tokens * tokens);
    for b in 0..batch {
        for head in 0..heads {
            for i in 0..tokens {
                let q = &qkv[at(b, i, 0, head)..][..dim];
                let score = |j: usize| -> f64 {
                    let k = &qkv[at(b, j, 1, head)..][..dim];
                    q.iter().zip(k).map(|(q, k)| q * k).sum::<f64>() / (dim as f64).sqrt()
                };
                let sum: f64 = (0..tokens).map(|j| score(j).exp()).sum();
                weights.extend((0..tokens).map(|j| score(j).exp() / sum));
            }
        }
    }
    weights
}

/// softmax(q k^T / sqrt(dim)) v for each image and head. `qkv` `[batch, tokens, 3, heads, dim]` (q, then k, then v).
/// Returns out `[batch, tokens, heads * dim]` and lse `[batch, heads, tokens]` = log of the sum of exp of the scaled scores.
pub fn forward(qkv: &[f64], batch: usize, tokens: usize, heads: usize, dim: usize) -> (Vec<f64>, Vec<f64>) {
    let scale = 1.0 / (dim as f64).sqrt();
    let at =
        |b: usize, token: usize, part: usize, head: usize| (((b * tokens + token) * 3 + part) * heads + head) * dim;
    let (mut out, mut lse) = (
        vec![0.0; batch * tokens * heads * dim],
        vec![0.0; batch * heads * tokens],
    );
    for b in 0..batch {
        for head in 0..heads {
            for i in 0..tokens {
                let q = &qkv[at(b, i, 0, head)..][..dim];
                let mut scores = vec![0.0; tokens];
                for j in 0..tokens {
                    let k = &qkv[at(b, j, 1, head)..][..dim];
                    for c in 0..dim {
                        scores[j] += scale * q[c] * k[c];
                    }
                }
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
                lse[(b * heads + head) * tokens + i] = max + sum.ln();
                for j in 0..tokens {
                    let probability = (scores[j] - max).exp() / sum;
                    let v = &qkv[at(b, j, 2, head)..][..dim];
                    for c in 0..dim {
                        out[((b * tokens + i) * heads + head) * dim + c] += probability * v[c];
                    }
                }
            }
        }
    }
    (out, lse)
}

/// Gradient of `forward`: `dout` `[batch, tokens, heads * dim]` to dqkv `[batch, tokens, 3, heads, dim]`.
/// dv = P^T dout, dP = dout v^T, dS = P * (dP - rowsum(P * dP)), dq = dS k * scale, dk = dS^T q * scale.
pub fn backward(dout: &[f64], qkv: &[f64], batch: usize, tokens: usize, heads: usize, dim: usize) -> Vec<f64> {
    let scale = 1.0 / (dim as f64).sqrt();
    let at =
        |b: usize, token: usize, part: usize, head: usize| (((b * tokens + token) * 3 + part) * heads + head) * dim;
    let mut dqkv = vec![0.0; qkv.len()];
    for b in 0..batch {
        for head in 0..heads {
            for i in 0..tokens {
                let dout = &dout[((b * tokens + i) * heads + head) * dim..][..dim];
                let (mut p, mut dp) = (vec![0.0; tokens], vec![0.0; tokens]);
                for j in 0..tokens {
                    for c in 0..dim {
                        p[j] += scale * qkv[at(b, i, 0, head) + c] * qkv[at(b, j, 1, head) + c];
                        dp[j] += dout[c] * qkv[at(b, j, 2, head) + c];
                    }
                }
                let max = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = p.iter().map(|score| (score - max).exp()).sum();
                let mut delta = 0.0;
                for j in 0..tokens {
                    p[j] = (p[j] - max).exp() / sum;
                    delta += p[j] * dp[j];
                }
                for j in 0..tokens {
                    let ds = p[j] * (dp[j] - delta);
                    for c in 0..dim {
                        dqkv[at(b, i, 0, head) + c] += scale * ds * qkv[at(b, j, 1, head) + c];
                        dqkv[at(b, j, 1, head) + c] += scale * ds * qkv[at(b, i, 0, head) + c];
                        dqkv[at(b, j, 2, head) + c] += p[j] * dout[c];
                    }
                }
            }
        }
    }
    dqkv
}

/// Of each image's tokens x `[batch, tokens, width]` the averages with the weights softmax(u x / sqrt(width / queries)) of queries u
/// `[queries, width]`: `[batch, queries, width]`.
pub fn pooled(queries: &[f64], x: &[f64], batch: usize, tokens: usize, width: usize) -> Vec<f64> {
    let count = queries.len() / width;
    let scale = (count as f64 / width as f64).sqrt();
    let mut pooled = vec![0.0; batch * count * width];
    for b in 0..batch {
        for q in 0..count {
            let p = looks(
                &queries[q * width..][..width],
                &x[b * tokens * width..][..tokens * width],
                scale,
            );
            for j in 0..tokens {
                for c in 0..width {
                    pooled[(b * count + q) * width + c] += p[j] * x[(b * tokens + j) * width + c];
                }
            }
        }
    }
    pooled
}

/// Gradient of `pooled` with respect to the queries, `[queries, width]`, from `dpooled` `[batch, queries, width]`.
pub fn pooled_backward(
    dpooled: &[f64],
    queries: &[f64],
    x: &[f64],
    batch: usize,
    tokens: usize,
    width: usize,
) -> Vec<f64> {
    let count = queries.len() / width;
    let scale = (count as f64 / width as f64).sqrt();
    let mut dqueries = vec![0.0; queries.len()];
    for b in 0..batch {
        for q in 0..count {
            let p = looks(
                &queries[q * width..][..width],
                &x[b * tokens * width..][..tokens * width],
                scale,
            );
            let (mut dp, mut delta) = (vec![0.0; tokens], 0.0);
            for j in 0..tokens {
                for c in 0..width {
                    dp[j] += dpooled[(b * count + q) * width + c] * x[(b * tokens + j) * width + c];
                }
                delta += p[j] * dp[j];
            }
            for j in 0..tokens {
                for c in 0..width {
                    dqueries[q * width + c] += scale * p[j] * (dp[j] - delta) * x[(b * tokens + j) * width + c];
                }
            }
        }
    }
    dqueries
}

/// The weights of one query `[width]` over the tokens of one image.
fn looks(query: &[f64], x: &[f64], scale: f64) -> Vec<f64> {
    let score = |token: &[f64]| -> f64 { scale * query.iter().zip(token).map(|(u, x)| u * x).sum::<f64>() };
    let scores: Vec<f64> = x.chunks(query.len()).map(score).collect();
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
    scores.iter().map(|score| (score - max).exp() / sum).collect()
}
