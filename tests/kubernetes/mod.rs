//! The Kubernetes objects of `deploy/`: the manifests as they are, and the Helm chart as Helm renders
//! it.
//!
//! Each object is held against the schema of its kind (`schemas/make.py` says where these come from),
//! against the other objects that it refers to, and against the restricted Pod Security Standard.
//! Every `gateway.yaml` inside of them is one that `introgate check` takes, and its ports and times
//! are those of the pod.

mod chart;
mod helm;
mod manifests;
mod objects;
mod pod;
mod schemas;
