/** What cosign made: keys by `cosign generate-key-pair`, signatures by `cosign sign` (2.6.5 the tag's, 3.1.3 the bundle). */

/** The manifest that is signed. */
export const DIGEST = 'sha256:7355bb5e63502ac224e2b428eeccdfbeda0b3028b15f6173305c5038b9778e41';
export const PASSWORD = 'secret';
export const PRIVATE_KEY = `-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJnVXBVaHZ1OCtXSkVkWDQ2UzFiRWFYaUplZEJHdDBh
QzlxWWtockhaOVZNPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJvaGdpZHFpemhPdlVlY0V1T0ZzcGRJYTJkMmhUVFZLNCJ9LCJj
aXBoZXJ0ZXh0IjoiVmxwenc2OU1YYzB4Wm5ra05DTG5kVjhnMzRDK2VKanVPQmFD
TGE0SjJrckQwTjNJRzBhMm96OWFpbURZb0RDVklqc25Mck5LcWt0MjVBMWEvN3Uv
ZG9YcXl1ZGNLVEhPR0FSaWNGUTUrUEVKZTEzL2ovdEJ4MmFhV0lONE1mUWNYUUJT
U2MwYkpFRE13QmZaMjdRaVovMWJzVGdyUXNOWVZLS1B2NEhxSEdXaHdhbDhjY3FF
NVZ6dzRtM0p5ckIrSldDUWRSdHlrMEh2Zmc9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
`;
export const PUBLIC_KEY = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDuexQzQG5Y0Lkp7BbnAnmUlTRRIu
OY7MP3Z3VBcLwOAvLuRnSwtl0AsiUbQzy4H1pRw90VBk9XoAzXApi71qcQ==
-----END PUBLIC KEY-----
`;
export const PAYLOAD =
  '{"critical":{"identity":{"docker-reference":"127.0.0.1:5777/me/app"},"image":{"docker-manifest-digest":"sha256:7355bb5e63502ac224e2b428eeccdfbeda0b3028b15f6173305c5038b9778e41"},"type":"cosign container image signature"},"optional":null}';
export const SIGNATURE =
  'MEUCIFnGwZzlni6/BkzMuBgQsD/MpAQks7uiZ7vHkd0ZRcdaAiEAsOGh2Yfh0EUXnnxboOrbFBb6FMFwSlfznnexsWzZFuQ=';
export const BUNDLE_FILE =
  '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial":{"publicKey":{"hint":"rVRuOmoMEg+zLJA3vnLk4v39VCrOYU8NAidP7aKTFz0="}}, "dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCAic3ViamVjdCI6W3siZGlnZXN0Ijp7InNoYTI1NiI6IjczNTViYjVlNjM1MDJhYzIyNGUyYjQyOGVlY2NkZmJlZGEwYjMwMjhiMTVmNjE3MzMwNWM1MDM4Yjk3NzhlNDEifSwgImFubm90YXRpb25zIjp7fX1dLCAicHJlZGljYXRlVHlwZSI6Imh0dHBzOi8vc2lnc3RvcmUuZGV2L2Nvc2lnbi9zaWduL3YxIiwgInByZWRpY2F0ZSI6e319", "payloadType":"application/vnd.in-toto+json", "signatures":[{"sig":"MEQCIFrruHZYmcVrXrYZW+KnklENE7Zent9esAWITmiK2nJdAiAMJ6b7hppBmyKpbk/l5zSW3XNB/ikCLsBB2G0JOUVXdQ=="}]}}';
