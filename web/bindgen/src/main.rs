//! `ijepa-bindgen MODULE.wasm FOLDER`: writes the module for browsers and its JavaScript and TypeScript side as
//! FOLDER/ijepa*. The same as the program wasm-bindgen, of exactly the version that the crate is built with.

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [module, folder] = arguments.as_slice() else {
        return Err("use: ijepa-bindgen MODULE.wasm FOLDER".into());
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("ijepa").web(true)?;
    // The JavaScript finds the module beside itself.
    bindgen.typescript(true).omit_default_module_path(false);
    Ok(bindgen.generate(folder)?)
}
