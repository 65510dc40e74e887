//! Links the program at a fixed address.
//!
//! Every step's shim is this program. As a position-independent one it has forty thousand addresses to
//! fill in before `main`, on hundreds of pages, which costs each step a millisecond of CPU; at a fixed
//! address it has none. What is given up is in `docs/security.md`; `MAINSPAN_PIE=1` keeps it. Only a
//! linker that is driven like GNU's is asked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=MAINSPAN_PIE");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let is_fixed = std::env::var_os("MAINSPAN_PIE").is_none();
    if is_fixed && target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
