//! `switchboard demo`, as a visitor sees it.

use crate::program;

#[test]
fn the_demo_shows_every_message_to_its_end_and_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let ended = program::run(program::command().arg("demo").current_dir(folder.path()));
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    for word in ["가온서점", "한빛상사", "나래물류", "cloudmsg", "sendtalk", "ALIMTALK", "MMS", "LMS", "REPORTED"]
    {
        assert!(ended.stdout.contains(word), "{word} is not shown:\n{}", ended.stdout);
    }
    assert!(ended.stdout.contains("cloudmsg → sendtalk"), "the switch is not shown:\n{}", ended.stdout);
    assert!(ended.stdout.contains("INVALID_RECIPIENT"), "the failure is not explained:\n{}", ended.stdout);
    assert!(ended.stdout.contains("messages ended as expected"), "{}", ended.stdout);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "it leaves nothing behind");
}
