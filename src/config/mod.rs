mod settings;
pub use settings::*;
pub struct Loaded {
    pub settings: Option<Settings>,
    pub problems: Vec<Problem>,
    pub files: Vec<std::path::PathBuf>,
    pub redacted: serde_json::Value,
}
pub struct Problem;
impl Problem {
    pub fn at(&self, _: &std::path::Path) -> String {
        String::new()
    }
}
pub fn load(_: &std::path::Path, _: &dyn Fn(&str) -> Option<String>) -> Loaded {
    todo!()
}
