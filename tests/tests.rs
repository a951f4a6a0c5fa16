//! One integration binary: it drives the real program over real sockets.
