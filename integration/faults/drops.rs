//! Every way in which programs drop a file: each is one arrival, under the final name, of the whole file.

use std::fs;

use super::shell;
use crate::{
    harness::{Receiver, Site, disk, helpers::have, skipped},
    promises::assert_each_exactly_once,
};

const LEN: usize = 200_000;

/// `script` drops `in/drop.dat` from `outside/drop.dat`, whose modification time says 2001.
fn is_one_arrival(program: &str, script: &str) {
    if !have(program) {
        return skipped(&format!("{program} is not installed"));
    }
    let (receiver, site) = (Receiver::up(), Site::new());
    fs::write(site.outside().join("drop.dat"), vec![b'x'; LEN]).unwrap();
    shell(&site, "touch -d 2001-02-03T04:05:06 outside/drop.dat");
    // Long enough for a machine that stops between two calls of one tool.
    let watchd = site.config(&receiver.url()).watch("quiet", "2s").ready();
    shell(&site, script);
    let request = receiver.wait_for_file("drop.dat");
    assert_eq!(request.data("size"), LEN, "{script}");
    assert_each_exactly_once(&site, watchd, &receiver, &[site.root().join("drop.dat")]);
}

/// `script` changes `in/drop.dat`, which was delivered before.
fn is_a_second_arrival(program: &str, script: &str) {
    if !have(program) {
        return skipped(&format!("{program} is not installed"));
    }
    let (receiver, site) = (Receiver::up(), Site::new());
    let watchd = site.config(&receiver.url()).watch("quiet", "2s").ready();
    fs::write(site.root().join("drop.dat"), "one line\n").unwrap();
    receiver.wait_for_file("drop.dat");
    shell(&site, script);
    let path = site.root().join("drop.dat");
    receiver.wait_for("the second version", |record| {
        let ids = record.delivered.get(path.as_os_str().as_encoded_bytes())?;
        (ids.len() == 2 && ids[0] != ids[1]).then_some(())
    });
    receiver.wait_for_paths(&[disk::create(&site.root(), "control.dat")]);
    watchd.stop();
    receiver.read(|record| assert_eq!(record.accepted, 3, "and no name in between: {script}"));
}

#[test]
fn cp_is_one_arrival() {
    is_one_arrival("cp", "cp outside/drop.dat in/");
}

#[test]
fn cp_with_times_is_one_arrival() {
    is_one_arrival("cp", "cp -p outside/drop.dat in/");
}

#[test]
fn tar_is_one_arrival() {
    is_one_arrival("tar", "tar -C outside -cf t.tar drop.dat; tar -C in -xf t.tar");
}

#[test]
fn unzip_is_one_arrival() {
    let zip = "import zipfile; zipfile.ZipFile('z.zip', 'w').write('outside/drop.dat', 'drop.dat')";
    is_one_arrival("unzip", &format!("python3 -c \"{zip}\"; unzip -q z.zip -d in"));
}

#[test]
fn rsync_is_one_arrival() {
    is_one_arrival("rsync", "rsync -a outside/drop.dat in/");
}

#[test]
fn rsync_in_place_is_one_arrival() {
    is_one_arrival("rsync", "rsync -a --inplace outside/drop.dat in/");
}

#[test]
fn mv_on_one_file_system_is_one_arrival() {
    is_one_arrival("mv", "mv outside/drop.dat in/");
}

#[test]
fn mv_across_file_systems_is_one_arrival() {
    let script = "d=$(mktemp -d /dev/shm/watchd-XXXXXX); cp -p outside/drop.dat $d/; mv $d/drop.dat in/; rmdir $d";
    is_one_arrival("mv", script);
}

#[test]
fn ln_is_one_arrival() {
    is_one_arrival("ln", "ln outside/drop.dat in/");
}

#[test]
fn install_is_one_arrival() {
    is_one_arrival("install", "install -p -m 640 outside/drop.dat in/drop.dat");
}

#[test]
fn dd_is_one_arrival() {
    is_one_arrival("dd", "dd if=outside/drop.dat of=in/drop.dat bs=1000 status=none");
}

#[test]
fn two_appends_are_one_arrival() {
    let script = "head -c 100000 outside/drop.dat >> in/drop.dat; tail -c +100001 outside/drop.dat >> in/drop.dat";
    is_one_arrival("sh", script);
}

#[test]
fn a_copy_whose_times_are_set_after_the_close_is_one_arrival() {
    let copy = "import shutil; shutil.copy2('outside/drop.dat', 'in/drop.dat')";
    is_one_arrival("python3", &format!("python3 -c \"{copy}\""));
}

#[test]
fn a_nameless_file_that_is_linked_in_is_one_arrival() {
    python(
        "fd = os.open('in', os.O_TMPFILE | os.O_RDWR)
os.write(fd, data)
fds = os.open('/proc/self/fd', os.O_RDONLY)
os.link(str(fd), 'in/drop.dat', src_dir_fd=fds, follow_symlinks=True)
os.close(fd)",
    );
}

#[test]
fn a_file_that_is_written_through_a_mapping_is_one_arrival() {
    python(
        "fd = os.open('in/drop.dat', os.O_CREAT | os.O_RDWR)
os.ftruncate(fd, len(data))
m = mmap.mmap(fd, len(data))
os.close(fd)
m[:] = data
m.close()",
    );
}

#[test]
fn a_file_whose_room_is_taken_first_is_one_arrival() {
    python(
        "fd = os.open('in/drop.dat', os.O_CREAT | os.O_RDWR)
os.posix_fallocate(fd, 0, len(data))
os.write(fd, data)
os.close(fd)",
    );
}

fn python(program: &str) {
    let head = "import mmap, os\ndata = open('outside/drop.dat', 'rb').read()";
    is_one_arrival("python3", &format!("python3 -c \"{head}\n{program}\""));
}

#[test]
fn sed_in_place_is_a_second_arrival() {
    is_a_second_arrival("sed", "sed -i s/one/two/ in/drop.dat");
}

#[test]
fn an_edit_in_vim_is_a_second_arrival() {
    let vim = if have("vim.tiny") { "vim.tiny" } else { "vim" };
    is_a_second_arrival(vim, &format!("{vim} -N -u NONE -es -c s/one/three/ -c wq in/drop.dat"));
}
