//! The messages of OTLP in protobuf's binary form.

use super::{
    Any, Event, Export, Link, Malformed, Resource, Span, StatusCode,
    wire::{Field, Reader, text},
};

/// How deep values may lie in values.
const DEPTH: u32 = 100;

/// Calls `each` for every field of a message.
fn fields<'b>(
    bytes: &'b [u8],
    mut each: impl FnMut(u64, Field<'b>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        each(number, field)?;
    }
    Ok(())
}

pub(super) fn export(bytes: &[u8]) -> Result<Export, Malformed> {
    let mut export = Export::default();
    fields(bytes, |number, field| {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            export.resources.push(resource_spans(bytes)?);
        }
        Ok(())
    })?;
    Ok(export)
}

fn resource_spans(bytes: &[u8]) -> Result<Resource, Malformed> {
    let mut resource = Resource::default();
    fields(bytes, |number, field| match (number, field) {
        (1, Field::Bytes(bytes)) => fields(bytes, |number, field| {
            if let (1, Field::Bytes(bytes)) = (number, field) {
                resource.attributes.push(pair(bytes, 0)?);
            }
            Ok(())
        }),
        (2, Field::Bytes(bytes)) => fields(bytes, |number, field| {
            if let (2, Field::Bytes(bytes)) = (number, field) {
                resource.spans.push(span(bytes)?);
            }
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(resource)
}

fn span(bytes: &[u8]) -> Result<Span, Malformed> {
    let mut span = Span::default();
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Bytes(id)) => span.trace_id = id.to_vec(),
            (2, Field::Bytes(id)) => span.span_id = id.to_vec(),
            (4, Field::Bytes(id)) => span.parent_id = id.to_vec(),
            (5, Field::Bytes(name)) => span.name = text(name)?,
            (7, Field::Fixed64(at)) => span.started = at,
            (8, Field::Fixed64(at)) => span.ended = at,
            (9, Field::Bytes(bytes)) => span.attributes.push(pair(bytes, 0)?),
            (11, Field::Bytes(bytes)) => span.events.push(event(bytes)?),
            (13, Field::Bytes(bytes)) => span.links.push(link(bytes)?),
            (15, Field::Bytes(bytes)) => fields(bytes, |number, field| {
                match (number, field) {
                    (2, Field::Bytes(message)) => span.status.message = text(message)?,
                    (3, Field::Varint(code)) => span.status.code = StatusCode::of(code),
                    _ => {}
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(span)
}

fn event(bytes: &[u8]) -> Result<Event, Malformed> {
    let mut event = Event::default();
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Fixed64(at)) => event.at = at,
            (2, Field::Bytes(name)) => event.name = text(name)?,
            (3, Field::Bytes(bytes)) => event.attributes.push(pair(bytes, 0)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(event)
}

fn link(bytes: &[u8]) -> Result<Link, Malformed> {
    let mut link = Link::default();
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Bytes(id)) => link.trace_id = id.to_vec(),
            (2, Field::Bytes(id)) => link.span_id = id.to_vec(),
            (4, Field::Bytes(bytes)) => link.attributes.push(pair(bytes, 0)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(link)
}

fn pair(bytes: &[u8], depth: u32) -> Result<(String, Any), Malformed> {
    let mut pair = (String::new(), Any::Null);
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Bytes(key)) => pair.0 = text(key)?,
            (2, Field::Bytes(bytes)) => pair.1 = any(bytes, depth + 1)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(pair)
}

fn any(bytes: &[u8], depth: u32) -> Result<Any, Malformed> {
    if depth > DEPTH {
        return Err(Malformed);
    }
    let mut value = Any::Null;
    fields(bytes, |number, field| {
        match (number, field) {
            (1, Field::Bytes(bytes)) => value = Any::Text(text(bytes)?),
            (2, Field::Varint(yes)) => value = Any::Bool(yes != 0),
            (3, Field::Varint(number)) => value = Any::Int(number.cast_signed()),
            (4, Field::Fixed64(bits)) => value = Any::Double(f64::from_bits(bits)),
            (5, Field::Bytes(bytes)) => {
                let mut items = Vec::new();
                fields(bytes, |number, field| {
                    if let (1, Field::Bytes(bytes)) = (number, field) {
                        items.push(any(bytes, depth + 1)?);
                    }
                    Ok(())
                })?;
                value = Any::List(items);
            }
            (6, Field::Bytes(bytes)) => {
                let mut pairs = Vec::new();
                fields(bytes, |number, field| {
                    if let (1, Field::Bytes(bytes)) = (number, field) {
                        pairs.push(pair(bytes, depth + 1)?);
                    }
                    Ok(())
                })?;
                value = Any::Map(pairs);
            }
            (7, Field::Bytes(bytes)) => value = Any::Bytes(bytes.to_vec()),
            _ => {}
        }
        Ok(())
    })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD as B64};

    #[test]
    fn a_request() {
        let pair = [0x0a, 1, b'k', 0x12, 2, 0x18, 5];
        let mut span = vec![0x0a, 1, 7, 0x12, 1, 9, 0x2a, 1, b'n', 0x39];
        span.extend(3_u64.to_le_bytes());
        span.extend([0x4a, 7]);
        span.extend(pair);
        span.extend([0x7a, 2, 0x18, 2]);
        let scope = [&[0x12, u8::try_from(span.len()).unwrap()][..], &span].concat();
        let resource = [&[0x12, u8::try_from(scope.len()).unwrap()][..], &scope].concat();
        let bytes = [
            &[0x0a, u8::try_from(resource.len()).unwrap()][..],
            &resource,
        ]
        .concat();
        let got = export(&bytes).unwrap();
        let span = &got.resources[0].spans[0];
        assert_eq!(
            (span.trace_id.as_slice(), span.name.as_str(), span.started),
            (&[7][..], "n", 3)
        );
        assert_eq!(span.attributes, [("k".to_owned(), Any::Int(5))]);
        assert_eq!(span.status.code, StatusCode::Error);
    }

    #[test]
    fn values_do_not_lie_too_deep() {
        let nested = |depth: usize| {
            (0..depth).fold(vec![0x18, 1], |inner: Vec<u8>, _| {
                let item = [length(0x0a, &inner), inner].concat();
                [length(0x2a, &item), item].concat()
            })
        };
        assert!(any(&nested(90), 0).is_ok());
        assert_eq!(any(&nested(200), 0), Err(Malformed));
    }

    /// A request that the classes of opentelemetry-proto for Python wrote.
    const FOREIGN: &[&str] = &[
        "CqECChkKFwoMc2VydmljZS5uYW1lEgcKBXByb3RvEoMCCgUKA2xpYhL5AQoQERERERERERERERERERERERIIIiIiIiIiIiIq",
        "DWZyb20gcHJvdG9idWY5AAAqNv6clxdBAPksy/6clxdKEAoBaRILGPv//////////wFKDgoBZBIJIQAAAAAAAOA/Sg0KAXQS",
        "CAoGbmHDr3ZlSgcKAWISAhAASgoKAXkSBToDaGkASg0KAWwSCCoGCgIYAQoASiEKAW0SHDIaCggKAXoSAwoBMQoOCgFhEgkh",
        "SK+8mvLXej5aFgkAysRx/pyXFxICZXYaBwoBbhICGANqHAoQMzMzMzMzMzMzMzMzMzMzMxIIRERERERERER6DBIIaXQgYnJv",
        "a2UYAg==",
    ];

    #[test]
    fn bytes_of_somebody_else() {
        let bytes = B64.decode(FOREIGN.concat()).unwrap();
        let got = export(&bytes).unwrap();
        let resource = &got.resources[0];
        assert_eq!(
            resource.attributes,
            [("service.name".into(), Any::text("proto"))]
        );
        let span = &resource.spans[0];
        assert_eq!(
            (span.name.as_str(), span.trace_id.len()),
            ("from protobuf", 16)
        );
        let texts: Vec<_> = span
            .attributes
            .iter()
            .map(|(_, value)| value.dump())
            .collect();
        let expect = [
            "-5",
            "0.5",
            "\"naïve\"",
            "false",
            r#""b'hi\\x00'""#,
            "[1, null]",
            r#"{"z": "1", "a": 1e-07}"#,
        ];
        assert_eq!(texts, expect);
        assert_eq!((span.events.len(), span.links.len()), (1, 1));
        assert_eq!(span.status.message, "it broke");
    }

    /// Whatever comes, it is read or refused.
    #[test]
    fn bytes_of_nobody() {
        let bytes = B64.decode(FOREIGN.concat()).unwrap();
        for at in 0..bytes.len() {
            let _ = export(&bytes[..at]);
            for byte in [
                0,
                0x7f,
                0x80,
                0xff,
                bytes[at] ^ 1,
                bytes[at].wrapping_add(8),
            ] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                let _ = export(&changed);
            }
        }
    }

    fn length(tag: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        let mut left = bytes.len();
        while left > 0x7f {
            out.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
            left >>= 7;
        }
        out.push(u8::try_from(left).unwrap());
        out
    }
}
