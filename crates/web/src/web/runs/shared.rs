//! Values that a task keeps up to date while pages follow them.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

/// A value that is shared by all who follow it.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Mutex<Weak<watch::Sender<T>>>);

impl<T: Default + Send + Sync + 'static> Shared<T> {
    /// Follow the value. Unless somebody does already, `begin` makes the task that updates it, which ends with the last
    /// receiver.
    pub(crate) fn follow<F: Future<Output = ()> + Send + 'static>(
        &self,
        begin: impl FnOnce(Arc<watch::Sender<T>>) -> F,
    ) -> watch::Receiver<T> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = shared.upgrade() {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(T::default());
        let sender = Arc::new(sender);
        *shared = Arc::downgrade(&sender);
        let update = begin(Arc::clone(&sender));
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = update => {}
            }
        });
        receiver
    }
}
