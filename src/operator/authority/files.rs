//! The authority of a certificate that comes in files: what webhook configurations are to show then.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::material::certificates;

/// As often as the certificate itself is compared.
const EVERY: Duration = Duration::from_secs(1);

/// The content of a file of certificates, now and whenever it changes. What holds no certificate keeps the old.
pub fn watch_bundle(path: PathBuf) -> watch::Receiver<Option<Arc<[u8]>>> {
    let (tell, told) = watch::channel(None);
    tokio::spawn(async move {
        let mut failing = false;
        while !tell.is_closed() {
            match tokio::fs::read(&path).await {
                Ok(text) if !certificates(&text).is_empty() => {
                    failing = false;
                    let text = Some(Arc::from(text));
                    tell.send_if_modified(|now| {
                        let is_new = *now != text;
                        *now = text;
                        is_new
                    });
                }
                _ if std::mem::replace(&mut failing, true) => {}
                _ => {
                    tracing::warn!(path = %path.display(), "no certificate of an authority can be read: the last one holds");
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    });
    told
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::super::material::pem;
    use super::super::material::tests::whole;
    use super::*;

    #[tokio::test]
    async fn a_file_that_changes_is_told_and_garbage_is_not() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("ca.crt");
        let [one, other] = [(); 2].map(|()| pem(&whole(SystemTime::now()).bundle));
        fs::write(&path, &one).unwrap();
        let mut told = watch_bundle(path.clone());
        assert_eq!(told.wait_for(Option::is_some).await.unwrap().as_deref(), Some(one.as_bytes()));
        fs::write(&path, "garbage").unwrap();
        tokio::time::sleep(EVERY * 2).await;
        assert_eq!(told.borrow_and_update().as_deref(), Some(one.as_bytes()));
        fs::write(&path, &other).unwrap();
        told.changed().await.unwrap();
        assert_eq!(told.borrow().as_deref(), Some(other.as_bytes()));
    }
}
