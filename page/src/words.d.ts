declare module "words.json" {
  const words: {
    keywords: string[];
    forms: string[];
    layers: Record<string, string>;
    blocks: string[];
    colours: Record<string, [string, string]>;
  };
  export default words;
}

declare module "*.css" {
  const text: string;
  export default text;
}
