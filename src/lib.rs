//! introgate.
pub mod cache {
    mod settings;
    pub use settings::CacheSettings;
}
pub mod clock;
pub mod cli {
    pub mod check;
    pub mod schema;
}
pub mod config;
pub mod extract {
    mod settings;
    pub use settings::*;
}
pub mod identity {
    mod settings;
    pub use settings::*;
}
pub mod introspect {
    mod settings;
    pub use settings::*;
}
pub mod policy {
    mod settings;
    pub use settings::*;
}
pub mod route;
pub mod secret;
pub mod token;
pub mod upstream {
    mod settings;
    pub use settings::*;
}
