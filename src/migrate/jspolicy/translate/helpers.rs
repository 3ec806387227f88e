//! What jsPolicy had and a module does not, as small functions that a migrated policy brings along where it needs them.

/// A piece of code at the top of a migrated module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Helper {
    Dynamic,
    Ended,
    End,
    Place,
    ReadText,
    DecodeBase64,
    EncodeBase64,
    Thrown,
    Attempt,
    Removal,
    Fetched,
    Become,
    Wrong,
    Read,
}

impl Helper {
    /// Others that it stands on.
    pub(super) fn needs(self) -> &'static [Self] {
        match self {
            Self::End => &[Self::Ended],
            Self::Thrown | Self::Become => &[Self::Dynamic],
            Self::Attempt | Self::Removal | Self::Fetched | Self::Read => &[Self::Dynamic, Self::Thrown],
            _ => &[],
        }
    }

    /// The name that it takes in the module.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "Dynamic",
            Self::Ended => "Ended",
            Self::End => "end",
            Self::Place => "place",
            Self::ReadText => "readText",
            Self::DecodeBase64 => "decodeBase64",
            Self::EncodeBase64 => "encodeBase64",
            Self::Thrown => "isFault",
            Self::Attempt => "attempt",
            Self::Removal => "removal",
            Self::Fetched => "fetched",
            Self::Become => "become",
            Self::Wrong => "wrong",
            Self::Read => "read",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Dynamic => {
                "// The script was written without types. Name the kind, such as `policy<Pod>`, and let tsc lead on.\n\
                 // eslint-disable-next-line @typescript-eslint/no-explicit-any\n\
                 type Dynamic = any;"
            }
            Self::Ended => {
                "/** Ends the run where a plain `return` cannot: from within a function. */\nclass Ended extends Error {}"
            }
            Self::End => "function end(..._said: unknown[]): never {\n  throw new Ended();\n}",
            Self::Place => {
                "/** jsPolicy's `namespace/name`, or a name alone. */\n\
                 function place(path: string): { namespace?: string; name: string } {\n\
                 \x20 const [namespace = \"\", name, ...rest] = path.split(\"/\");\n\
                 \x20 return name === undefined || rest.length > 0 ? { name: path } : { namespace, name };\n}"
            }
            Self::ReadText => {
                "/** The text of a file, or undefined where it cannot be read. */\n\
                 function readText(readFile: (path: string) => string, path: string): string | undefined {\n\
                 \x20 try {\n    return readFile(path);\n  } catch (error) {\n\
                 \x20   if ((error as { reason?: string }).reason === \"PermissionDenied\") throw error;\n\
                 \x20   return undefined;\n  }\n}"
            }
            Self::DecodeBase64 => {
                "/** jsPolicy's `atob`: UTF-8, padded; undefined for what is no base64. */\n\
                 function decodeBase64(text: unknown): string | undefined {\n\
                 \x20 if (typeof text !== \"string\") return undefined;\n\
                 \x20 const compact = text.replace(/[\\r\\n]/g, \"\");\n\
                 \x20 if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(compact)) return undefined;\n\
                 \x20 const bytes = Uint8Array.from(atob(compact), (character) => character.charCodeAt(0));\n\
                 \x20 return new TextDecoder(\"utf-8\", { ignoreBOM: true }).decode(bytes);\n}"
            }
            Self::EncodeBase64 => {
                "/** jsPolicy's `btoa`: of the text's UTF-8. */\n\
                 function encodeBase64(text: unknown): string | undefined {\n\
                 \x20 if (typeof text !== \"string\") return undefined;\n\
                 \x20 return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(\"\"));\n}"
            }
            Self::Thrown => {
                "/** What a host function throws that is the author's to mend, and no result to go by. */\n\
                 function isFault(error: Dynamic): boolean {\n\
                 \x20 return error?.reason === \"PermissionDenied\" || error?.reason === \"LimitExceeded\";\n}"
            }
            Self::Attempt => {
                "/** A write with jsPolicy's result: `{ ok, object }`, or `{ ok, reason, message }` where it was refused. */\n\
                 async function attempt(write: (object: Dynamic) => Promise<Dynamic>, object: Dynamic): Promise<Dynamic> {\n\
                 \x20 try {\n    return { ok: true, object: await write(object) };\n  } catch (error) {\n\
                 \x20   const { reason, message } = error as Dynamic;\n\
                 \x20   if (isFault(error) || reason === undefined) throw error;\n\
                 \x20   // eslint-disable-next-line @typescript-eslint/only-throw-error\n\
                 \x20   if (reason === \"WrongArguments\") throw { reason: \"UnmarshalObject\", message, toString: () => `UnmarshalObject: ${message}` };\n\
                 \x20   return { ok: false, reason, message };\n  }\n}"
            }
            Self::Removal => {
                "/** A removal with jsPolicy's result: it gives back what it was given, and throws for no argument. */\n\
                 async function removal(remove: (object: Dynamic) => Promise<Dynamic>, object?: Dynamic): Promise<Dynamic> {\n\
                 \x20 try {\n    await remove(object);\n    return { ok: true, object };\n  } catch (error) {\n\
                 \x20   if (isFault(error)) throw error;\n\
                 \x20   const { reason, message } = error as Dynamic;\n\
                 \x20   return { ok: false, reason, message };\n  }\n}"
            }
            Self::Fetched => {
                "/** A response with its body at hand, as `fetchSync` gave it; it threw plain text. */\n\
                 async function fetched(answer: Promise<Dynamic>): Promise<Dynamic> {\n\
                 \x20 try {\n    const { status, statusText, ok, headers, text } = await answer;\n\
                 \x20   const body: string = await text();\n\
                 \x20   const named = Object.entries(headers as Record<string, string>).map(([name, value]) => [\n\
                 \x20     name.replace(/\\b[a-z]/g, (first) => first.toUpperCase()),\n      value,\n    ]);\n\
                 \x20   return { status, statusText, ok, headers: Object.fromEntries(named), text: () => body, json: () => JSON.parse(body) };\n\
                 \x20 } catch (error) {\n    if (isFault(error)) throw error;\n\
                 \x20   // eslint-disable-next-line @typescript-eslint/only-throw-error\n\
                 \x20   throw `fetchSync: ${String((error as Error).message)}`;\n  }\n}"
            }
            Self::Read => {
                "/** `get` and `list` as jsPolicy had them: without a namespace nothing is found, and what is thrown has its words. */\n\
                 function read(found: () => Dynamic, fault: string): Dynamic {\n\
                 \x20 try {\n    return found();\n  } catch (error) {\n\
                 \x20   const { reason, message } = error as Dynamic;\n\
                 \x20   if (isFault(error)) throw error;\n\
                 \x20   if (fault === \"RetrieveObject\" && reason === \"NamespaceRequired\") return undefined;\n\
                 \x20   const word = fault === \"ErrorListing\" && reason === \"WrongArguments\" ? \"ParseLabelSelector\" : fault;\n\
                 \x20   // eslint-disable-next-line @typescript-eslint/only-throw-error\n\
                 \x20   throw { reason: word, message, toString: () => `${word}: ${message}` };\n  }\n}"
            }
            Self::Wrong => {
                "/** What jsPolicy's host functions threw: a plain object, no Error. */\n\
                 function wrong(message: string): never {\n\
                 \x20 // eslint-disable-next-line @typescript-eslint/only-throw-error\n\
                 \x20 throw { reason: \"WrongArguments\", message, toString: () => `WrongArguments: ${message}` };\n}"
            }
            Self::Become => {
                "/** Makes the draft what `mutate` was given; nothing, null and functions change nothing. */\n\
                 function become(draft: Dynamic, changed?: Dynamic): void {\n\
                 \x20 if (changed === undefined || changed === null || typeof changed === \"function\") return;\n\
                 \x20 if (draft === null || typeof changed !== \"object\" || Array.isArray(changed)) throw new TypeError(\"mutate: expects an object\");\n\
                 \x20 const fields = { ...changed };\n\
                 \x20 for (const field of Object.keys(draft)) delete draft[field];\n\
                 \x20 Object.assign(draft, fields);\n}"
            }
        }
    }
}
