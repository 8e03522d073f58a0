//! Whose mail is taken.

use std::collections::BTreeMap;
use std::fmt;

use nix::unistd::{Group, User as Account};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use super::asked::{self, AnswersConfig};
use super::scalars::{Scalar, Texts, texts, words};
use super::suggestion;
use super::units::Size;
use crate::maildir::{Owner, Quota};
use crate::recipients::{Question, User, Users};

/// Among host patterns, what stands for our own name.
pub(super) const OWN_NAME: &str = "{hostname}";

/// Whose mail is taken.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct RecipientsConfig {
    /// Patterns of the hosts that are ours; `{hostname}` is our own name
    /// (default: localhost, `{hostname}`).
    #[serde(deserialize_with = "texts")]
    pub hosts: Vec<String>,
    /// Who has a mailbox there (default: any).
    #[serde(deserialize_with = "users")]
    pub users: Users,
    /// How those are asked who know the users, where they are not written down.
    pub answers: AnswersConfig,
    /// The mailbox of `<postmaster>` (default: postmaster at our own name).
    pub postmaster: Option<String>,
    /// What an address stands for (default: none).
    #[serde(deserialize_with = "aliases")]
    pub aliases: BTreeMap<String, Vec<String>>,
    /// The mailbox of every user that is not known (default: none).
    pub catch_all: Option<String>,
    /// What `user+detail` means.
    pub subaddress: SubaddressConfig,
    /// Whether `Bob` and `bob` are two users (default: false).
    pub case_sensitive: bool,
}

/// What `user+detail` means.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section of keys")]
pub struct SubaddressConfig {
    /// The first of these in an address divides the user from the detail (default: +).
    #[serde(deserialize_with = "texts")]
    pub delimiters: Vec<String>,
    /// Where mail with a detail goes (default: ignore).
    pub folder: Folder,
    /// How many folders mail may make in one Maildir (default: 100).
    pub max_folders: usize,
}

words! {
    /// Where mail with a detail goes.
    pub enum Folder {
        /// Where all mail of that user goes.
        #[default]
        Ignore = "ignore",
        /// Into the folder of that name where there is one.
        Existing = "existing",
        /// Into the folder of that name, which is made.
        Create = "create",
    }
}

impl Default for RecipientsConfig {
    fn default() -> Self {
        Self {
            hosts: vec!["localhost".into(), OWN_NAME.into()],
            users: Users::Any,
            answers: AnswersConfig::default(),
            postmaster: None,
            aliases: BTreeMap::new(),
            catch_all: None,
            subaddress: SubaddressConfig::default(),
            case_sensitive: false,
        }
    }
}

impl Default for SubaddressConfig {
    fn default() -> Self {
        Self {
            delimiters: vec!["+".into()],
            folder: Folder::Ignore,
            max_folders: 100,
        }
    }
}

fn aliases<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    let aliases = BTreeMap::<String, Texts>::deserialize(deserializer)?;
    Ok(aliases
        .into_iter()
        .map(|(address, targets)| (address, targets.0))
        .collect())
}

fn users<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Users, D::Error> {
    deserializer.deserialize_any(UsersVisitor)
}

struct UsersVisitor;

impl<'de> Visitor<'de> for UsersVisitor {
    type Value = Users;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any, existing, a list of names, or a section with a key for each user")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Users, E> {
        match word {
            "any" => Ok(Users::Any),
            "existing" => Ok(Users::Existing),
            _ => {
                let unknown = suggestion::unknown("word", word, &["any", "existing"]);
                Err(E::custom(format!(
                    "{unknown}; to name a single user write [{word}]"
                )))
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Users, A::Error> {
        Vec::deserialize(value::SeqAccessDeserializer::new(list)).map(Users::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Users, A::Error> {
        let mut users = BTreeMap::new();
        let mut question = None;
        while let Some((name, user)) = map.next_entry::<String, Option<OneUser>>()? {
            match user {
                Some(OneUser::Asked(text)) => question = Some(Question { of: name, text }),
                Some(OneUser::User(user)) => drop(users.insert(name, user)),
                None => drop(users.insert(name, User::default())),
            }
        }
        match question {
            None => Ok(Users::Map(users)),
            Some(question) => {
                asked::check(&question, users.is_empty()).map_err(A::Error::custom)?;
                Ok(Users::Asked(question))
            }
        }
    }
}

enum OneUser {
    User(User),
    /// It was no user, but what a source of users is asked.
    Asked(String),
}

/// As it is written.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UserKeys {
    uid: Option<Uid>,
    gid: Option<Gid>,
    path: Option<String>,
    quota: Option<Size>,
}

impl<'de> Deserialize<'de> for OneUser {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneUserVisitor)
    }
}

/// A visitor, so that an error which concerns several keys has the place of the user.
struct OneUserVisitor;

impl<'de> Visitor<'de> for OneUserVisitor {
    type Value = OneUser;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section with uid, gid, path and quota")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneUser, E> {
        Ok(OneUser::Asked(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneUser, A::Error> {
        let keys = UserKeys::deserialize(value::MapAccessDeserializer::new(map))?;
        let owner = owner(keys.uid, keys.gid).map_err(A::Error::custom)?;
        let quota = keys.quota.map(|Size(octets)| Quota {
            storage: Some(octets),
            messages: None,
        });
        Ok(OneUser::User(User {
            owner,
            path: keys.path,
            quota,
        }))
    }
}

fn owner(uid: Option<Uid>, gid: Option<Gid>) -> Result<Option<Owner>, String> {
    match (uid, gid) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err("a gid alone owns nothing; write a uid too".to_owned()),
        (Some(uid), gid) => match gid.map(|Gid(gid)| gid).or(uid.primary_group) {
            Some(gid) => Ok(Some(Owner {
                uid: uid.number,
                gid,
            })),
            None => Err(format!(
                "this machine knows no user {} whose group could be taken; write a gid too",
                uid.number
            )),
        },
    }
}

struct Uid {
    number: u32,
    /// None when this machine does not know the user.
    primary_group: Option<u32>,
}

struct Gid(u32);

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar {
            expected: "the name or number of a user",
            read: uid,
        })
    }
}

impl<'de> Deserialize<'de> for Gid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "the name or number of a group";
        deserializer
            .deserialize_any(Scalar {
                expected,
                read: gid,
            })
            .map(Self)
    }
}

/// Mail never belongs to root: whoever reads it there reads it with all rights.
fn uid(text: &str) -> Result<Uid, String> {
    let account = match text.parse() {
        Ok(number) => Account::from_uid(nix::unistd::Uid::from_raw(number)),
        Err(_) => Account::from_name(text),
    };
    let account = account.map_err(|error| format!("cannot look up user {text:?}: {error}"))?;
    let number = match (&account, text.parse()) {
        (_, Ok(number)) => number,
        (Some(account), _) => account.uid.as_raw(),
        (None, Err(_)) => {
            return Err(format!(
                "this machine has no user {text:?}; create it, or write a number"
            ));
        }
    };
    if number == 0 {
        return Err("root must not own mail; name another user".to_owned());
    }
    Ok(Uid {
        number,
        primary_group: account.map(|account| account.gid.as_raw()),
    })
}

/// The number of a group.
pub(super) fn gid(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    match Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(format!(
            "this machine has no group {text:?}; create it, or write a number"
        )),
        Err(error) => Err(format!("cannot look up group {text:?}: {error}")),
    }
}
