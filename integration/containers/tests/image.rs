//! Images made from one program and the libraries that it names itself, of which a static one has none. No
//! registry, no distribution, no shell.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use futures_util::StreamExt;
use testcontainers::{
    GenericImage,
    bollard::{Docker, body_full, query_parameters::CreateImageOptionsBuilder},
};

use crate::engine::LABEL;

pub(crate) async fn of(program: &Path) -> GenericImage {
    let name = program.file_name().and_then(|name| name.to_str()).expect("a program has a name");
    let (repository, tag) = (format!("watchd-proof/{name}"), tag(program));
    let docker = Docker::connect_with_defaults().expect("DOCKER_HOST names an engine");
    if docker.inspect_image(&format!("{repository}:{tag}")).await.is_err() {
        import(&docker, program, name, &repository, &tag).await;
    }
    GenericImage::new(repository, tag)
}

/// Another build is another image.
fn tag(program: &Path) -> String {
    let metadata = fs::metadata(program).expect("the program was built");
    format!("{}-{}-{}", metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
}

async fn import(docker: &Docker, program: &Path, name: &str, repository: &str, tag: &str) {
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repository)
        .tag(tag)
        .changes(vec![format!("ENTRYPOINT [\"/{name}\"]"), format!("LABEL {LABEL}=containers")])
        .build();
    let content = body_full(archive(program, name).into());
    let mut progress = docker.create_image(Some(options), Some(content), None);
    while let Some(step) = progress.next().await {
        step.expect("the image is imported");
    }
}

fn archive(program: &Path, name: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.sparse(false); // the engine reads no tar with holes
    archive.append_path_with_name(program, name).expect("the program is readable");
    for library in libraries(program) {
        let inside = library.strip_prefix("/").expect("ldd prints absolute paths");
        archive.append_path_with_name(&library, inside).expect("the library is readable");
    }
    archive.into_inner().expect("memory takes it")
}

/// As ldd(1) prints them: `libc.so.6 => /lib/.../libc.so.6 (0x...)`, and the loader by its path alone.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    text.lines().filter(|line| line.contains(" (0x")).filter_map(path).collect()
}
