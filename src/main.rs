//! `yett`: the command line comes with the gateway.

fn main() {}
