//! The serde visitors behind [`super`]: they walk a body once and keep borrowed scalars.

use std::fmt;

use inference::oip::scan::Scanned;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Fields, REQUEST_ID, Raw, Rows, Wanted};

/// Reads rows.
pub(super) struct RowsSeed<'w> {
    pub(super) wanted: Wanted<'w>,
}

/// Reads an inference request.
pub(super) struct ProtocolSeed<'w> {
    pub(super) wanted: Wanted<'w>,
}

/// What an inference request says at its top and in its parameters.
#[derive(Default)]
pub(super) struct Found<'a> {
    pub(super) id: Option<Raw<'a>>,
    pub(super) parameters: Fields<'a>,
}

impl<'de> DeserializeSeed<'de> for RowsSeed<'_> {
    type Value = Rows<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_> {
    type Value = Rows<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        FieldsSeed(self.wanted).visit_map(map).map(Rows::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = seq.next_element_seed(FieldsSeed(self.wanted))? {
            rows.push(row);
        }
        Ok(Rows::Many(rows))
    }
}

/// Reads one object's fields.
struct FieldsSeed<'w>(Wanted<'w>);

impl<'de> DeserializeSeed<'de> for FieldsSeed<'_> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsSeed<'_> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(roles) = map.next_key_seed(Key(self.0))? {
            if roles == Roles::default() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = scalar(map.next_value()?);
            if roles.id {
                fields.id = value;
            }
            if roles.value {
                fields.value = value;
            }
            if roles.time {
                fields.time = value;
            }
        }
        Ok(fields)
    }
}

/// What a field's name makes it. One field may be several.
#[derive(Default, PartialEq, Eq)]
struct Roles {
    id: bool,
    value: bool,
    time: bool,
}

struct Key<'w>(Wanted<'w>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Roles;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Roles;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Roles {
            id: name == self.0.id,
            value: self.0.value == Some(name),
            time: self.0.time == Some(name),
        })
    }
}

impl<'de> DeserializeSeed<'de> for ProtocolSeed<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ProtocolSeed<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let top = Wanted {
            id: "id",
            value: Some("parameters"),
            time: None,
        };
        let mut found = Found::default();
        while let Some(roles) = map.next_key_seed(Key(top))? {
            if roles.id {
                found.id = scalar(map.next_value()?);
            } else if roles.value {
                let raw: &RawValue = map.next_value()?;
                found.parameters = self.parameters(raw.get())?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// The same from where the parts of a request are known to be. `None` if they are not what they seem.
pub(super) fn found<'a>(parts: &Scanned<'a>, wanted: Wanted<'_>) -> Option<Found<'a>> {
    let seed = ProtocolSeed { wanted };
    let parameters = parts.parameters.map_or(Ok(Fields::default()), |raw| {
        seed.parameters::<serde_json::Error>(raw)
    });
    let id = match parts.id {
        None => None,
        Some(id) => scalar(serde_json::from_str(id).ok()?),
    };
    Some(Found {
        id,
        parameters: parameters.ok()?,
    })
}

impl ProtocolSeed<'_> {
    fn parameters<'de, E: Error>(&self, raw: &'de str) -> Result<Fields<'de>, E> {
        if !raw.starts_with('{') {
            return Ok(Fields::default());
        }
        let read = |id| {
            let mut json = serde_json::Deserializer::from_str(raw);
            let wanted = Wanted { id, ..self.wanted };
            FieldsSeed(wanted).deserialize(&mut json).map_err(E::custom)
        };
        let fields = read(self.wanted.id)?;
        if fields.id.is_some() || self.wanted.id == REQUEST_ID {
            return Ok(fields);
        }
        read(REQUEST_ID)
    }
}

fn scalar(raw: &RawValue) -> Option<Raw<'_>> {
    let text = raw.get();
    match text.as_bytes().first() {
        None | Some(b'{' | b'[' | b'n') => None,
        Some(_) => Some(text),
    }
}
