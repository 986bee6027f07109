//! Python's pickle as `torch.save` writes it, read into values. Nothing is imported and nothing is called: the few names that
//! such files hold are known here, and any other is refused.

use std::collections::HashMap;

/// A value's place in [`Pickle::nodes`]. Values may be shared, and a hostile file may put a list into itself: who walks goes
/// a known number of steps down.
pub type Id = usize;

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(Strided),
}

/// The names that may stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    /// A storage of values of this kind, in torch's words: `Float`, `Half`, ...
    Storage(&'static str),
}

/// A file of numbers in the archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub kind: &'static str,
    pub key: String,
    /// Values.
    pub count: usize,
}

/// A tensor's place in a storage, in values.
#[derive(Clone, Debug, PartialEq)]
pub struct Strided {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

const STORAGES: [&str; 10] = [
    "Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool",
];

/// More than the pickle of any checkpoint has: that of the largest official one has some 200 kB.
pub const MOST_BYTES: usize = 2 << 20;

/// What a pickle holds.
#[derive(Debug)]
pub struct Pickle {
    nodes: Vec<Node>,
    root: Id,
}

impl Pickle {
    /// Errors: what is wrong, in words that go behind the file's name.
    pub fn read(bytes: &[u8]) -> Result<Pickle, String> {
        if bytes.len() > MOST_BYTES {
            return Err(format!("its pickle is larger than {} MiB", MOST_BYTES >> 20));
        }
        let mut machine = Machine {
            rest: bytes,
            nodes: vec![],
            stack: vec![],
            marks: vec![],
            memo: HashMap::new(),
        };
        let root = loop {
            if let Some(root) = machine.step()? {
                break root;
            }
        };
        let nodes = machine.nodes;
        Ok(Pickle { nodes, root })
    }

    pub fn root(&self) -> &Node {
        self.node(self.root)
    }

    pub fn node(&self, id: Id) -> &Node {
        self.nodes.get(id).unwrap_or(&Node::None)
    }

    /// The texts that a dictionary has as keys, with their values.
    pub fn items<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let pairs = match node {
            Node::Dict(pairs) => &pairs[..],
            _ => &[],
        };
        pairs.iter().filter_map(|&(key, value)| match self.node(key) {
            Node::Text(text) => Some((text.as_str(), self.node(value))),
            _ => None,
        })
    }

    /// The value of a key; of equal ones the last, as in Python.
    pub fn get<'a>(&'a self, node: &'a Node, key: &str) -> Option<&'a Node> {
        self.items(node)
            .filter(|(name, _)| *name == key)
            .last()
            .map(|(_, value)| value)
    }
}

/// The stack machine that a pickle is a program for.
struct Machine<'a> {
    rest: &'a [u8],
    nodes: Vec<Node>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let cut = "its pickle ends too early";
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(cut)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn word(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or("its pickle ends too early")?)?;
        self.take(1)?;
        std::str::from_utf8(line).map_err(|_| "a name in its pickle is no text".to_string())
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "a text in its pickle is no UTF-8")?;
        self.push(Node::Text(text.to_string()));
        Ok(())
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
    }

    fn pop(&mut self) -> Result<Id, String> {
        // What lies below a mark is not for the taking.
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = (self.stack.len() > floor).then(|| self.stack.pop()).flatten();
        top.ok_or_else(|| "its pickle takes more values than it has".to_string())
    }

    fn tuple(&mut self, count: usize) -> Result<(), String> {
        let mut items = vec![];
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Node::Tuple(items));
        Ok(())
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("its pickle has no mark where one is needed")?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&mut self) -> Result<&mut Node, String> {
        let id = self
            .stack
            .last()
            .copied()
            .ok_or("its pickle takes more values than it has")?;
        self.nodes
            .get_mut(id)
            .ok_or_else(|| "its pickle is damaged".to_string())
    }

    fn append(&mut self, mut items: Vec<Id>) -> Result<(), String> {
        match self.top()? {
            Node::List(list) => list.append(&mut items),
            _ => return Err("its pickle adds to what is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), String> {
        match self.top()? {
            Node::Dict(pairs) if items.len().is_multiple_of(2) => {
                pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => Err("its pickle adds to what is no dictionary".into()),
        }
    }

    fn remember(&mut self, key: u32) -> Result<(), String> {
        let top = self.stack.last().copied().ok_or("its pickle remembers nothing")?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), String> {
        let id = self.memo.get(&key).copied();
        self.stack.push(id.ok_or("its pickle recalls what it never had")?);
        Ok(())
    }

    /// One instruction; the result at the last.
    fn step(&mut self) -> Result<Option<Id>, String> {
        let code = self.byte()?;
        match code {
            0x80 => match self.byte()? {
                2 | 3 => {}
                version => {
                    return Err(format!(
                        "its pickle is of version {version}, and torch.save writes version 2"
                    ));
                }
            },
            b'.' => return self.pop().map(Some),
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'K' => {
                let value = self.byte()?;
                self.push(Node::Int(value.into()));
            }
            b'M' => {
                let bytes = self.take(2)?;
                self.push(Node::Int(u16::from_le_bytes([bytes[0], bytes[1]]).into()));
            }
            b'J' => {
                let value = self.word()? as i32;
                self.push(Node::Int(value.into()));
            }
            0x8a => {
                let length = self.byte()?.into();
                let bytes = self.take(length)?;
                self.push(Node::Int(long(bytes)?));
            }
            b'G' => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(self.take(8)?);
                self.push(Node::Float(f64::from_be_bytes(bytes)));
            }
            b'X' => {
                let length = self.word()? as usize;
                self.text(length)?;
            }
            b'}' => self.push(Node::Dict(vec![])),
            b']' => self.push(Node::List(vec![])),
            b')' => self.push(Node::Tuple(vec![])),
            b'(' => self.marks.push(self.stack.len()),
            b't' => {
                let items = self.since_mark()?;
                self.push(Node::Tuple(items));
            }
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }
            b'q' => {
                let key = self.byte()?.into();
                self.remember(key)?;
            }
            b'r' => {
                let key = self.word()?;
                self.remember(key)?;
            }
            b'h' => {
                let key = self.byte()?.into();
                self.recall(key)?;
            }
            b'j' => {
                let key = self.word()?;
                self.recall(key)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Global(global(module, name)?));
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(id)?;
                self.push(Node::Storage(storage));
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let made = self.made(function, arguments)?;
                self.push(made);
            }
            b'b' => {
                // A dictionary's attributes: the versions of a state dict's modules.
                let _ = self.pop()?;
                if !matches!(self.top()?, Node::Dict(_)) {
                    return Err("its pickle gives a state to what has none".into());
                }
            }
            _ => {
                return Err(format!(
                    "its pickle has an instruction 0x{code:02x}, which torch.save does not write"
                ));
            }
        }
        Ok(None)
    }

    /// A tuple's items; none where there are more than any call here takes, so that no length is walked time and again.
    fn arguments(&self, id: Id) -> Vec<&Node> {
        match self.nodes.get(id) {
            Some(Node::Tuple(items)) if items.len() <= 8 => items.iter().filter_map(|&id| self.nodes.get(id)).collect(),
            _ => vec![&Node::None],
        }
    }

    /// `('storage', torch.FloatStorage, '0', 'cpu', 16)`
    fn storage(&self, id: Id) -> Result<Storage, String> {
        match self.arguments(id)[..] {
            [
                Node::Text(word),
                &Node::Global(Global::Storage(kind)),
                Node::Text(key),
                Node::Text(_),
                &Node::Int(count),
            ] if word == "storage" && key.len() < 20 => Ok(Storage {
                kind,
                key: key.clone(),
                count: size(count)?,
            }),
            _ => Err("its pickle refers to something that is no storage".into()),
        }
    }

    /// What a call of one of the known names makes.
    fn made(&self, function: Id, arguments: Id) -> Result<Node, String> {
        match (self.nodes.get(function), &self.arguments(arguments)[..]) {
            (Some(Node::Global(Global::OrderedDict)), []) => Ok(Node::Dict(vec![])),
            (
                Some(Node::Global(Global::RebuildTensor)),
                [
                    Node::Storage(storage),
                    Node::Int(offset),
                    Node::Tuple(shape),
                    Node::Tuple(strides),
                    ..,
                ],
            ) => Ok(Node::Tensor(Strided {
                storage: storage.clone(),
                offset: size(*offset)?,
                shape: self.sizes(shape)?,
                strides: self.sizes(strides)?,
            })),
            (Some(Node::Global(Global::RebuildParameter)), [Node::Tensor(tensor), ..]) => {
                Ok(Node::Tensor(tensor.clone()))
            }
            _ => Err("its pickle calls something in a way that torch.save does not write".into()),
        }
    }

    fn sizes(&self, ids: &[Id]) -> Result<Vec<usize>, String> {
        let one = |id: &Id| match self.nodes.get(*id) {
            Some(&Node::Int(value)) => size(value),
            _ => Err("a size in its pickle is no number".into()),
        };
        // No tensor here has more axes than a convolution's weights; a few more do no harm.
        match ids.len() {
            0..=8 => ids.iter().map(one).collect(),
            axes => Err(format!("a tensor in its pickle has {axes} axes")),
        }
    }
}

fn size(value: i64) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("a size in its pickle is {value}"))
}

/// A whole number of up to eight bytes.
fn long(bytes: &[u8]) -> Result<i64, String> {
    if bytes.len() > 8 {
        return Err("a number in its pickle is beyond 64 bits".into());
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Ok(i64::from_le_bytes(all))
}

fn global(module: &str, name: &str) -> Result<Global, String> {
    let storage = |name: &str| {
        let kind = name.strip_suffix("Storage")?;
        STORAGES.into_iter().find(|known| *known == kind)
    };
    match (module, name) {
        ("collections", "OrderedDict") => Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Ok(Global::RebuildParameter),
        ("torch", name) if storage(name).is_some() => Ok(Global::Storage(storage(name).unwrap_or_default())),
        _ => {
            let name: String = format!("{module}.{name}").chars().take(80).collect();
            Err(format!(
                "its pickle names \"{name}\", which is no part of weights: it is refused, since such names can run code. Save \
                 the state dicts alone"
            ))
        }
    }
}
