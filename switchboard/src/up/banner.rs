//! What a person sees who has started everything.

use std::{env, net::SocketAddr, path::Path};

use super::{
    Stack,
    organizations::{GAON, HANBIT, NARAE},
};
use crate::{
    output::line,
    settings::{Settings, url_of},
};

/// Prints addresses, the tokens file, and three things to try.
pub(super) fn print(stack: &Stack) -> anyhow::Result<()> {
    line("Switchboard is up. The vendors are simulated: nothing leaves this machine.\n")?;
    service("dispatcher", "gRPC", stack.dispatcher.address, stack.dispatcher.metrics_address)?;
    service("config-service", "gRPC", stack.config_service.address, stack.config_service.metrics_address)?;
    service("webhook-gateway", "HTTP", stack.gateway.address, stack.gateway.metrics_address)?;
    line(format_args!("  {:<18}{}", "CloudMsg", vendor(stack, "cloudmsg", &stack.vendors.cloudmsg_url())))?;
    line(format_args!("  {:<18}{}", "SendTalk", vendor(stack, "sendtalk", &stack.vendors.sendtalk_url())))?;
    line(format_args!("  {:<18}{}", "tokens", stack.tokens_file().display()))?;

    let program = program(stack);
    let (hanbit, narae, gaon) = (HANBIT.name, NARAE.name, GAON.name);
    line("\nThree things to try in another terminal, in this folder:\n")?;
    line(format_args!("1. {gaon} (gaon) has no mapping, so the platform default carries its message:"))?;
    line(format_args!("   {program} send sms --org gaon --to 010-1234-5678 --text '안녕하세요' --watch\n"))?;
    line(format_args!("2. Switch {hanbit} (hanbit) from CloudMsg to SendTalk; its next message goes there:"))?;
    line(format_args!("   {program} routing set hanbit --primary sendtalk"))?;
    line(format_args!("   {program} send sms --org hanbit --to 010-1234-5678 --text '안녕하세요' --watch\n"))?;
    line(format_args!("3. {narae} (narae) writes to a number that does not exist, and sees why it failed:"))?;
    line(format_args!("   {program} send sms --org narae --to 010-0000-3001 --text '안녕하세요' --watch\n"))?;
    line("Ctrl-C ends it; what was stored is there again at the next start.")?;
    Ok(())
}

fn service(name: &str, protocol: &str, address: SocketAddr, metrics: SocketAddr) -> std::io::Result<()> {
    line(format_args!(
        "  {name:<18}{protocol}  {:<24}{}",
        address.to_string(),
        format_args!("{}/readyz", url_of(metrics))
    ))
}

fn vendor(stack: &Stack, code: &str, simulated: &str) -> String {
    let set = stack.settings.providers.get(code).map(|vendor| vendor.base_url.as_str()).unwrap_or_default();
    if stack.elsewhere.contains(code) {
        format!("{set} (as the settings say; simulated at {simulated})")
    } else {
        format!("{simulated} (simulated; its journal: {simulated}/_control/journal)")
    }
}

/// How to call this program so that it finds these services.
fn program(stack: &Stack) -> String {
    let mut words = vec![executable()];
    let usual = Settings::default();
    if stack.settings.data_dir != usual.data_dir {
        words.push(format!("--data-dir {}", quoted(&stack.settings.data_dir.display().to_string())));
    }
    if stack.settings.auth.tokens_file.is_some() {
        words.push(format!("--set auth.tokens_file={}", quoted(&stack.tokens_file().display().to_string())));
    }
    if stack.dispatcher.address != usual.dispatcher.listen.address() {
        words.push(format!("--set dispatcher.listen={}", stack.dispatcher.address));
    }
    if stack.config_service.address != usual.config_service.listen.address() {
        words.push(format!("--set config_service.listen={}", stack.config_service.address));
    }
    words.join(" ")
}

fn executable() -> String {
    let (Ok(program), Ok(folder)) = (env::current_exe(), env::current_dir()) else {
        return "switchboard".to_owned();
    };
    let shown: &Path = program.strip_prefix(&folder).unwrap_or(&program);
    let word = quoted(&shown.display().to_string());
    // A shell looks for a word without a slash elsewhere than here.
    if word.contains('/') { word } else { format!("./{word}") }
}

/// A word that a shell takes as it stands.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_blanks_or_quotes_is_quoted_for_a_shell() {
        assert_eq!(quoted("target/debug/switchboard"), "target/debug/switchboard");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
