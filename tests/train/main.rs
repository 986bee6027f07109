//! Runs of `ijepa train` from outside: what they write, how they are stopped, killed, continued and refused.

#[path = "../common/device.rs"]
mod device;
mod extend;
mod finetune;
mod finite;
mod interrupt;
mod kill;
mod loudness;
mod monitor;
mod order;
mod probing;
mod records;
mod reference;
mod rescue;
#[path = "../common/tiny.rs"]
mod tiny;
mod used;
