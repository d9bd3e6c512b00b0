//! Login links and sessions.
//!
//! They end with the listening sockets: they are kept in an anonymous file that only the guardian and its server
//! have open. A server that is restarted after a crash reads them from there. A program that takes over the port
//! later can't.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use crate::api::proof::random_hex;
use crate::model::time::Timestamp;
use crate::web::access::proof::{Purpose, Secret, is_nonce, nonce};
use crate::web::access::{Grant, KnownUser, Role, Site, Visitor};

/// How long a link is valid.
const LINK_LIFE: Duration = Duration::from_secs(5 * 60);
/// How long an unused session lasts.
const IDLE_LIFE: Duration = Duration::from_secs(12 * 3600);
/// How long a session lasts at most.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most links and sessions per user; the oldest are dropped first.
const MOST_PER_USER: usize = 64;
/// The time of the last use of a session is saved at most this often.
const SAVED_USE: Duration = Duration::from_secs(60);
/// How many characters of the id of a session are shown.
const SHOWN: usize = 8;
/// The distance between the two slots of the file, which are written in turn.
const SLOT: u64 = 1 << 20;

/// A link that logs in once.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct LoginLink {
    id: String,
    /// The secret at the addresses of this machine.
    secret: Secret,
    /// The secret at the public address.
    public: Secret,
    grant: Grant,
    /// The user who has logged in with a password to get it.
    #[serde(default)]
    user: Option<KnownUser>,
    until: Timestamp,
    /// The session that began with it.
    used: Option<String>,
    /// The nonces of the current login.
    #[serde(skip)]
    nonces: Option<[String; 2]>,
}

impl LoginLink {
    fn secret(&self, site: Site) -> &Secret {
        match site {
            Site::Local => &self.secret,
            Site::Public => &self.public,
        }
    }
}

/// A new link: its id and its secret, as in the fragments of its addresses. All users of the machine can read the
/// arguments of a browser. Therefore, the local secret is worthless at the public address, where the server can't
/// distinguish them.
#[derive(Debug)]
pub(crate) struct NewLink {
    /// At the addresses of this machine.
    pub(crate) local: String,
    /// At the public address.
    pub(crate) public: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Its id, which is not a secret.
    pub(crate) id: String,
    key: Secret,
    cookie: Secret,
    /// Its rights.
    pub(crate) grant: Grant,
    /// The user, if the login was with a password.
    #[serde(default)]
    pub(crate) user: Option<KnownUser>,
    #[serde(default)]
    visitor: Visitor,
    begun: Timestamp,
    used: Timestamp,
}

impl Session {
    /// When it ends unless it is used again.
    fn end(&self) -> Timestamp {
        let end = (self.begun + LIFE).min(self.used + IDLE_LIFE);
        self.grant.until.map_or(end, |until| until.min(end))
    }

    fn lives(&self, now: Timestamp) -> bool {
        now < self.end()
    }
}

/// A session in the list of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEntry {
    /// The part of its id that commands accept.
    pub id: String,
    /// The user, if the login was with a password.
    pub user: Option<String>,
    pub role: Role,
    /// The only visible processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<Vec<String>>,
    /// Who has begun it.
    #[serde(flatten)]
    pub visitor: Visitor,
    /// When it began.
    pub begun: Timestamp,
    /// When it was used last.
    pub used: Timestamp,
}

/// A new session.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) id: String,
    /// The value of its cookie.
    pub(crate) cookie: String,
}

/// Why a login fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    /// The link does not exist or has expired.
    #[error("this link is not valid or has expired; `tmo web --link` prints a new one")]
    NoLink,
    /// The link was used before, in this browser.
    #[error("this link has logged in this browser already")]
    Again,
    /// The link was used before, in another browser.
    #[error(
        "this link was used a second time, so the session that it began was ended; `tmo web --link` \
         prints a new one"
    )]
    Stolen,
    /// The system has no random numbers.
    #[error("the system provides no random numbers")]
    NoRandom,
}

/// All links and sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    file: File,
    kept: SessionFile,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct SessionFile {
    turn: u64,
    #[serde(deserialize_with = "readable")]
    links: Vec<LoginLink>,
    #[serde(deserialize_with = "readable")]
    sessions: Vec<Session>,
}

/// The entries that this version can read. After an update, the file is that of another version; an entry that can't
/// be read ends alone.
fn readable<'de, T: DeserializeOwned, D: Deserializer<'de>>(all: D) -> Result<Vec<T>, D::Error> {
    let all = Vec::<serde_json::Value>::deserialize(all)?;
    Ok(all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect())
}

impl Sessions {
    /// Read the links and sessions in this file.
    pub(crate) fn open(file: File) -> Self {
        let slots = [0, SLOT].into_iter().filter_map(|at| read_slot(&file, at));
        let kept = slots.max_by_key(|kept| kept.turn).unwrap_or_default();
        Self { file, kept }
    }

    /// Create a link with these rights. `user` has logged in with a password.
    pub(crate) fn link(
        &mut self,
        grant: Grant,
        user: Option<KnownUser>,
        now: Timestamp,
    ) -> io::Result<NewLink> {
        let (id, secret, public) = (random_hex(8)?, Secret::random()?, Secret::random()?);
        let text = |secret: &Secret| format!("{id}.{}", secret.hex());
        let new = NewLink { local: text(&secret), public: text(&public) };
        let until = grant.until.unwrap_or(now + LINK_LIFE);
        let (used, nonces) = (None, None);
        self.kept.links.push(LoginLink { id, secret, public, grant, user, until, used, nonces });
        self.save(now);
        Ok(new)
    }

    /// Begin a login with the nonce of the page; returns the server's nonce and proof.
    pub(crate) fn begin(
        &mut self,
        id: &str,
        site: Site,
        theirs: &str,
        now: Timestamp,
    ) -> Result<(String, String), LoginError> {
        let link = self.find_link(id, now).ok_or(LoginError::NoLink)?;
        if !is_nonce(theirs) {
            return Err(LoginError::NoLink);
        }
        let ours = nonce().map_err(|_| LoginError::NoRandom)?;
        let proof = link.secret(site).proof(Purpose::LOGIN_SERVER, &[theirs, &ours]);
        link.nonces = Some([theirs.to_owned(), ours.clone()]);
        Ok((ours, proof))
    }

    /// Finish a login with the page's proof. `cookies` are the earlier cookies of the browser.
    pub(crate) fn finish(
        &mut self,
        id: &str,
        site: Site,
        proof: &str,
        cookies: &[&str],
        visitor: Visitor,
        now: Timestamp,
    ) -> Result<Begun, LoginError> {
        let link = self.find_link(id, now).ok_or(LoginError::NoLink)?;
        let Some([theirs, ours]) = link.nonces.take() else { return Err(LoginError::NoLink) };
        let nonces = [&*theirs, &*ours];
        if !link.secret(site).proves(proof, Purpose::LOGIN_PAGE, &nonces) {
            return Err(LoginError::NoLink);
        }
        if let Some(session) = link.used.clone() {
            if self.kept.sessions.iter().any(|found| {
                found.id == session && cookies.iter().any(|cookie| *cookie == found.cookie.hex())
            }) {
                return Err(LoginError::Again);
            }
            self.end(&session, now);
            return Err(LoginError::Stolen);
        }
        let new = || Ok::<_, io::Error>((random_hex(16)?, Secret::random()?));
        let (session, cookie) = new().map_err(|_| LoginError::NoRandom)?;
        link.used = Some(session.clone());
        let (key, grant, user) =
            (link.secret(site).key(&nonces), link.grant.clone(), link.user.clone());
        let begun = Begun { id: session.clone(), cookie: cookie.hex().to_owned() };
        let id = session;
        let session = Session { id, key, cookie, grant, user, visitor, begun: now, used: now };
        self.kept.sessions.push(session);
        self.save(now);
        Ok(begun)
    }

    /// The session with this id, if it has not ended.
    fn living(&self, id: &str, now: Timestamp) -> Option<&Session> {
        self.kept.sessions.iter().find(|session| session.id == id && session.lives(now))
    }

    /// The server's proof that it knows the key of a session.
    pub(crate) fn hello(&self, id: &str, theirs: &str, now: Timestamp) -> Option<String> {
        let session = self.living(id, now)?;
        is_nonce(theirs).then(|| session.key.proof(Purpose::SERVER, &[theirs]))
    }

    /// The session of a request with this cookie and this key (id, nonce and proof, separated by dots).
    pub(crate) fn of_request(&self, cookie: &str, key: &str, now: Timestamp) -> Option<&Session> {
        let [id, nonce, proof] = <[&str; 3]>::try_from(key.split('.').collect::<Vec<_>>()).ok()?;
        let session = self.living(id, now)?;
        let is_cookie = session.cookie.same(cookie);
        let is_key = is_nonce(nonce) && session.key.proves(proof, Purpose::PAGE, &[nonce]);
        (is_cookie && is_key).then_some(session)
    }

    /// Note a use of this session: a visible page, or a typed key. False if it has ended.
    pub(crate) fn renew(&mut self, id: &str, now: Timestamp) -> bool {
        let found = self.kept.sessions.iter_mut().find(|found| found.id == id && found.lives(now));
        let Some(session) = found else { return false };
        if now.since(session.used) > SAVED_USE {
            session.used = now;
            self.save(now);
        }
        true
    }

    /// The session with this id, if it has not ended and this is its cookie.
    pub(crate) fn with_cookie(&self, id: &str, cookie: &str, now: Timestamp) -> Option<&Session> {
        self.living(id, now).filter(|session| session.cookie.same(cookie))
    }

    /// When this session ends unless it is used again; `None` if it has ended.
    pub(crate) fn end_of(&self, id: &str, now: Timestamp) -> Option<Timestamp> {
        self.living(id, now).map(Session::end)
    }

    /// Whether the link with this id is a shared one.
    pub(crate) fn is_shared(&mut self, id: &str, now: Timestamp) -> bool {
        self.find_link(id, now).is_some_and(|link| link.grant.until.is_some())
    }

    pub(crate) fn entries(&self, now: Timestamp) -> Vec<SessionEntry> {
        let living = self.kept.sessions.iter().filter(|session| session.lives(now));
        let entry = |session: &Session| SessionEntry {
            id: session.id[..SHOWN.min(session.id.len())].to_owned(),
            user: session.user.as_ref().map(|user| user.name.clone()),
            role: session.grant.role,
            processes: session.grant.scope.names().map(<[String]>::to_vec),
            visitor: session.visitor.clone(),
            begun: session.begun,
            used: session.used,
        };
        living.map(entry).collect()
    }

    /// The user who has begun this session with a password.
    pub(crate) fn user_of(&self, id: &str) -> Option<String> {
        let session = self.kept.sessions.iter().find(|session| session.id == id)?;
        Some(session.user.as_ref()?.name.clone())
    }

    /// Whether any session began with a password.
    pub(crate) fn have_users(&self) -> bool {
        self.kept.sessions.iter().any(|session| session.user.is_some())
    }

    /// End the sessions for which this holds, and the links of their users; returns how many ended.
    pub(crate) fn end_if(
        &mut self,
        is_meant: impl Fn(&str, Option<&KnownUser>) -> bool,
        now: Timestamp,
    ) -> usize {
        let count = |kept: &SessionFile| (kept.sessions.len(), kept.links.len());
        let before = count(&self.kept);
        let is_left = |id: &str, user: &Option<KnownUser>| !is_meant(id, user.as_ref());
        self.kept.sessions.retain(|session| is_left(&session.id, &session.user));
        self.kept.links.retain(|link| link.user.is_none() || is_left(&link.id, &link.user));
        let ended = before.0 - self.kept.sessions.len();
        if count(&self.kept) != before {
            self.save(now);
        }
        ended
    }

    /// End a session.
    pub(crate) fn end(&mut self, id: &str, now: Timestamp) {
        self.kept.sessions.retain(|session| session.id != id);
        self.save(now);
    }

    fn find_link(&mut self, id: &str, now: Timestamp) -> Option<&mut LoginLink> {
        self.kept.links.iter_mut().find(|link| link.id == id && now < link.until)
    }

    /// Write all that is valid into the slot that was not written last. If the write is interrupted, the other slot
    /// stays intact.
    fn save(&mut self, now: Timestamp) {
        let SessionFile { turn, links, sessions } = &mut self.kept;
        *turn += 1;
        links.retain(|link| now < link.until);
        sessions.retain(|session| session.lives(now));
        // The limit is per user, so that a user can't displace the links and sessions of others.
        keep_newest(links, |link| link.user.as_ref());
        keep_newest(sessions, |session| session.user.as_ref());
        let at = SLOT * (*turn % 2);
        if let Err(error) = write(&self.file, at, &self.kept) {
            tracing::warn!("the sessions can't be saved: {error}");
        }
    }
}

/// Keep only the newest of each user. Links and sessions without a user count as those of one user.
fn keep_newest<T>(all: &mut Vec<T>, user: impl Fn(&T) -> Option<&KnownUser>) {
    let mut counts = HashMap::<Option<String>, usize>::new();
    all.reverse();
    all.retain(|one| {
        let count = counts.entry(user(one).map(|user| user.name.clone())).or_default();
        *count += 1;
        *count <= MOST_PER_USER
    });
    all.reverse();
}

fn write(file: &File, at: u64, kept: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(kept)?;
    let mut whole = (text.len() as u64).to_le_bytes().to_vec();
    whole.extend(Sha256::digest(&text));
    whole.extend(text);
    file.write_all_at(&whole, at)
}

fn read_slot(file: &File, at: u64) -> Option<SessionFile> {
    const SUM: usize = 32;
    let mut head = [0; 8 + SUM];
    file.read_exact_at(&mut head, at).ok()?;
    let length = u64::from_le_bytes(head[..8].try_into().ok()?);
    let mut text = vec![0; usize::try_from(length.min(SLOT)).ok()?];
    file.read_exact_at(&mut text, at + head.len() as u64).ok()?;
    (Sha256::digest(&text)[..] == head[8..]).then(|| serde_json::from_slice(&text).ok())?
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::{
        Begun, IDLE_LIFE, LIFE, LINK_LIFE, LoginError, MOST_PER_USER, NewLink, SLOT, Sessions,
        Visitor,
    };
    use crate::model::time::Timestamp;
    use crate::web::access::proof::{Purpose, Secret, nonce};
    use crate::web::access::{Grant, KnownUser, Role, Scope, Site, Users};

    const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    /// A simulated page.
    struct Page {
        id: String,
        secret: Secret,
        site: Site,
        key: Option<Secret>,
        begun: Option<Begun>,
    }

    impl Page {
        fn of(link: &NewLink) -> Self {
            Self::at(&link.local, Site::Local)
        }

        fn at(fragment: &str, site: Site) -> Self {
            let (id, secret) = fragment.split_once('.').unwrap();
            let secret = serde_json::from_str(&format!("{secret:?}")).unwrap();
            Self { id: id.to_owned(), secret, site, key: None, begun: None }
        }

        fn log_in(&mut self, sessions: &mut Sessions, now: Timestamp) -> Result<(), LoginError> {
            let mine = nonce().unwrap();
            let (theirs, proof) = sessions.begin(&self.id, self.site, &mine, now)?;
            let nonces = [&*mine, &*theirs];
            assert!(self.secret.proves(&proof, Purpose::LOGIN_SERVER, &nonces));
            let proof = self.secret.proof(Purpose::LOGIN_PAGE, &nonces);
            let cookie = self.begun.as_ref().map(|begun| begun.cookie.clone());
            self.begun = Some(sessions.finish(
                &self.id,
                self.site,
                &proof,
                &cookie.as_deref().into_iter().collect::<Vec<_>>(),
                Visitor::default(),
                now,
            )?);
            self.key = Some(self.secret.key(&nonces));
            Ok(())
        }

        /// Cookie and key of a request.
        fn request(&self) -> (String, String) {
            let (begun, nonce) = (self.begun.as_ref().unwrap(), nonce().unwrap());
            let proof = self.key.as_ref().unwrap().proof(Purpose::PAGE, &[&nonce]);
            (begun.cookie.clone(), format!("{}.{nonce}.{proof}", begun.id))
        }

        fn is_known(&self, sessions: &Sessions, now: Timestamp) -> bool {
            let (cookie, key) = self.request();
            sessions.of_request(&cookie, &key, now).is_some()
        }
    }

    fn anna() -> KnownUser {
        let mut users = Users::default();
        users.add("anna", Role::Read, "correct horse").unwrap();
        users.users[0].known()
    }

    fn logged_in(sessions: &mut Sessions) -> Page {
        let mut page = Page::of(&sessions.link(Grant::OWNER, None, NOW).unwrap());
        page.log_in(sessions, NOW).unwrap();
        page
    }

    #[test]
    fn a_request_needs_cookie_and_key_of_one_session() {
        let mut sessions = Sessions::open(file());
        let (one, other) = (logged_in(&mut sessions), logged_in(&mut sessions));
        assert!(one.is_known(&sessions, NOW) && other.is_known(&sessions, NOW));
        let ((cookie, key), (other_cookie, other_key)) = (one.request(), other.request());
        assert_eq!(sessions.of_request(&cookie, &key, NOW).unwrap().grant, Grant::OWNER);
        let unproven = key.rsplit_once('.').unwrap().0.to_owned();
        let wrong = [
            (&*other_cookie, &*key),
            (&*cookie, &*other_key),
            (&*cookie, &*unproven),
            (&*cookie, ""),
            ("", &*key),
            (&*cookie, "..."),
        ];
        for (cookie, key) in wrong {
            assert!(sessions.of_request(cookie, key, NOW).is_none(), "{cookie} {key}");
        }
        let hello = sessions.hello(&one.begun.as_ref().unwrap().id, &"a".repeat(32), NOW).unwrap();
        assert!(one.key.as_ref().unwrap().proves(&hello, Purpose::SERVER, &[&"a".repeat(32)]));
        assert_eq!(sessions.hello("x", &"a".repeat(32), NOW), None);
    }

    #[test]
    fn a_link_logs_in_once_and_a_thief_ends_the_session() {
        let mut sessions = Sessions::open(file());
        let link = sessions.link(Grant::OWNER, None, NOW).unwrap();
        let (mut page, mut thief, mut guess) = (Page::of(&link), Page::of(&link), Page::of(&link));
        page.log_in(&mut sessions, NOW).unwrap();
        assert_eq!(page.log_in(&mut sessions, NOW), Err(LoginError::Again));
        assert!(page.is_known(&sessions, NOW), "the same browser opened its link again");
        guess.secret = Secret::random().unwrap();
        let mine = nonce().unwrap();
        let (theirs, _) = sessions.begin(&guess.id, Site::Local, &mine, NOW).unwrap();
        let proof = guess.secret.proof(Purpose::LOGIN_PAGE, &[&mine, &theirs]);
        let guessed = sessions.finish(&guess.id, Site::Local, &proof, &[], Visitor::default(), NOW);
        assert_eq!(guessed.unwrap_err(), LoginError::NoLink);
        assert!(page.is_known(&sessions, NOW), "a login without the secret ends nothing");
        assert_eq!(thief.log_in(&mut sessions, NOW), Err(LoginError::Stolen));
        assert!(!page.is_known(&sessions, NOW));
    }

    #[test]
    fn the_local_secret_of_a_link_is_worthless_at_the_public_address() {
        let mut sessions = Sessions::open(file());
        let link = sessions.link(Grant::OWNER, None, NOW).unwrap();
        for (fragment, site) in [(&link.local, Site::Public), (&link.public, Site::Local)] {
            let thief = Page::at(fragment, site);
            let mine = nonce().unwrap();
            let (theirs, _) = sessions.begin(&thief.id, site, &mine, NOW).unwrap();
            let proof = thief.secret.proof(Purpose::LOGIN_PAGE, &[&mine, &theirs]);
            let finished = sessions.finish(&thief.id, site, &proof, &[], Visitor::default(), NOW);
            assert_eq!(finished.unwrap_err(), LoginError::NoLink);
        }
        let mut page = Page::at(&link.public, Site::Public);
        page.log_in(&mut sessions, NOW).unwrap();
        assert!(page.is_known(&sessions, NOW));
        // It is one link with two addresses.
        assert_eq!(Page::of(&link).log_in(&mut sessions, NOW), Err(LoginError::Stolen));
    }

    #[test]
    fn links_and_sessions_end_with_time() {
        let mut sessions = Sessions::open(file());
        let mut late = Page::of(&sessions.link(Grant::OWNER, None, NOW).unwrap());
        assert_eq!(late.log_in(&mut sessions, NOW + LINK_LIFE), Err(LoginError::NoLink));
        let (idle, busy) = (logged_in(&mut sessions), logged_in(&mut sessions));
        let mut now = NOW;
        while now.since(NOW) + IDLE_LIFE / 2 < LIFE {
            now = now + IDLE_LIFE / 2;
            assert!(busy.is_known(&sessions, now), "{:?}", now.since(NOW));
            assert!(sessions.renew(&busy.begun.as_ref().unwrap().id, now));
            // Requests of a hidden page renew nothing.
            assert_eq!(idle.is_known(&sessions, now), now.since(NOW) < IDLE_LIFE);
        }
        assert!(
            !sessions.renew(&idle.begun.as_ref().unwrap().id, now),
            "an ended session can't be renewed"
        );
        assert!(!idle.is_known(&sessions, now));
        assert!(!busy.is_known(&sessions, NOW + LIFE));
    }

    #[test]
    fn a_server_that_is_started_again_knows_them_even_if_a_write_was_interrupted() {
        let file = file();
        let mut sessions = Sessions::open(file.try_clone().unwrap());
        let first = logged_in(&mut sessions);
        let grant = Grant {
            role: Role::Read,
            scope: Scope::Processes { run: "r".into(), names: vec!["web".into()] },
            until: None,
        };
        let mut second = Page::of(&sessions.link(grant.clone(), None, NOW).unwrap());
        let mut again = Sessions::open(file.try_clone().unwrap());
        assert!(first.is_known(&again, NOW));
        second.log_in(&mut again, NOW).unwrap();
        let (cookie, key) = second.request();
        assert_eq!(again.of_request(&cookie, &key, NOW).unwrap().grant, grant);
        // The last write was the one that began the second session.
        let at = SLOT * (again.kept.turn % 2);
        std::os::unix::fs::FileExt::write_all_at(&file, b"torn", at + 60).unwrap();
        let after = Sessions::open(file);
        assert!(first.is_known(&after, NOW) && !second.is_known(&after, NOW));
    }

    #[test]
    fn checking_users_writes_nothing_unless_a_session_ends() {
        let mut sessions = Sessions::open(file());
        logged_in(&mut sessions);
        let turn = sessions.kept.turn;
        assert_eq!(sessions.end_if(|_, user| user.is_some(), NOW), 0);
        assert_eq!(sessions.kept.turn, turn);
        assert_eq!(sessions.end_if(|_, user| user.is_none(), NOW), 1);
        assert_eq!(sessions.kept.turn, turn + 1);
    }

    #[test]
    fn logins_of_one_user_end_no_session_of_another() {
        let mut sessions = Sessions::open(file());
        let owner = logged_in(&mut sessions);
        let mut first = None;
        let anna = anna();
        for _ in 0..=MOST_PER_USER {
            let link = sessions.link(Grant::OWNER, Some(anna.clone()), NOW).unwrap();
            let mut page = Page::at(&link.public, Site::Public);
            page.log_in(&mut sessions, NOW).unwrap();
            first.get_or_insert(page);
        }
        assert!(owner.is_known(&sessions, NOW));
        assert!(!first.unwrap().is_known(&sessions, NOW), "the oldest of anna has gone");
    }

    #[test]
    fn sessions_are_listed_and_ended_by_id_or_user() {
        let mut sessions = Sessions::open(file());
        let owner = logged_in(&mut sessions);
        let of_anna = |sessions: &mut Sessions| {
            let grant = Grant { role: Role::Read, scope: Scope::All, until: None };
            let link = sessions.link(grant, Some(anna()), NOW).unwrap();
            let mut page = Page::at(&link.public, Site::Public);
            page.log_in(sessions, NOW).unwrap();
            page
        };
        let (one, other) = (of_anna(&mut sessions), of_anna(&mut sessions));
        let all = sessions.entries(NOW);
        let shown: Vec<_> = all.iter().map(|entry| (entry.user.as_deref(), entry.role)).collect();
        let anna = (Some("anna"), Role::Read);
        assert_eq!(shown, [(None, Role::Admin), anna, anna]);
        let id = all[1].id.clone();
        assert_eq!(sessions.end_if(|full, _| full.starts_with(&id), NOW), 1);
        assert!(!one.is_known(&sessions, NOW) && other.is_known(&sessions, NOW));
        assert_eq!(sessions.end_if(|_, user| user.is_some_and(|user| user.name == "anna"), NOW), 1);
        assert!(!other.is_known(&sessions, NOW) && owner.is_known(&sessions, NOW));
        assert_eq!(sessions.end_if(|_, _| true, NOW), 1);
        assert!(sessions.entries(NOW).is_empty());
    }

    #[test]
    fn there_are_only_so_many() {
        let mut sessions = Sessions::open(file());
        let first = logged_in(&mut sessions);
        for _ in 0..MOST_PER_USER {
            logged_in(&mut sessions);
        }
        assert!(!first.is_known(&sessions, NOW));
        assert!(
            sessions.kept.links.len() <= MOST_PER_USER
                && sessions.kept.sessions.len() <= MOST_PER_USER
        );
        let at = NOW + Duration::from_secs(1);
        assert!(logged_in(&mut sessions).is_known(&sessions, at));
    }
}
